"""The numbers of IKEv1: registries of RFC 2407, 2408, 2409 and of what came after them.

Remote access lives in the private ranges: hybrid authentication (draft-ietf-ipsec-isakmp-hybrid-auth-05),
Xauth (draft-beaulieu-ike-xauth-02), Mode Config (draft-dukes-ike-mode-cfg-02), Cisco Unity, NAT
traversal (RFC 3947 and its drafts), DPD (RFC 3706).
"""

from __future__ import annotations

import enum

from ike_engine.wire.codec import OpenEnum

# ---- messages (RFC 2408 section 3) --------------------------------------------------------------


class PayloadType(OpenEnum):
    """Payload types (RFC 2408 section 3.1; RFC 3947 section 3.2 and 5.2)."""

    NONE = 0
    SECURITY_ASSOCIATION = 1
    PROPOSAL = 2
    TRANSFORM = 3
    KEY_EXCHANGE = 4
    IDENTIFICATION = 5
    CERTIFICATE = 6
    CERTIFICATE_REQUEST = 7
    HASH = 8
    SIGNATURE = 9
    NONCE = 10
    NOTIFICATION = 11
    DELETE = 12
    VENDOR_ID = 13
    ATTRIBUTES = 14
    NAT_D = 20
    NAT_OA = 21
    NAT_D_DRAFT = 130  # drafts 00 to 03
    NAT_OA_DRAFT = 131
    FRAGMENT = 132  # Cisco


class ExchangeType(OpenEnum):
    """Exchange types (RFC 2408 section 3.1, RFC 2409 appendix A, draft-dukes-ike-mode-cfg-02)."""

    BASE = 1
    IDENTITY_PROTECTION = 2
    AUTHENTICATION_ONLY = 3
    AGGRESSIVE = 4
    INFORMATIONAL = 5
    TRANSACTION = 6
    QUICK = 32
    NEW_GROUP = 33


class ProtocolId(OpenEnum):
    """What a proposal, notification or delete is about (RFC 2407 section 4.4.1)."""

    NONE = 0
    ISAKMP = 1
    AH = 2
    ESP = 3
    IPCOMP = 4


class NotifyType(OpenEnum):
    """Notify message types (RFC 2408 section 3.14.1, RFC 2407 section 4.6.3): up to 16383 they are errors."""

    INVALID_PAYLOAD_TYPE = 1
    DOI_NOT_SUPPORTED = 2
    SITUATION_NOT_SUPPORTED = 3
    INVALID_COOKIE = 4
    INVALID_MAJOR_VERSION = 5
    INVALID_MINOR_VERSION = 6
    INVALID_EXCHANGE_TYPE = 7
    INVALID_FLAGS = 8
    INVALID_MESSAGE_ID = 9
    INVALID_PROTOCOL_ID = 10
    INVALID_SPI = 11
    INVALID_TRANSFORM_ID = 12
    ATTRIBUTES_NOT_SUPPORTED = 13
    NO_PROPOSAL_CHOSEN = 14
    BAD_PROPOSAL_SYNTAX = 15
    PAYLOAD_MALFORMED = 16
    INVALID_KEY_INFORMATION = 17
    INVALID_ID_INFORMATION = 18
    INVALID_CERT_ENCODING = 19
    INVALID_CERTIFICATE = 20
    CERT_TYPE_UNSUPPORTED = 21
    INVALID_CERT_AUTHORITY = 22
    INVALID_HASH_INFORMATION = 23
    AUTHENTICATION_FAILED = 24
    INVALID_SIGNATURE = 25
    ADDRESS_NOTIFICATION = 26
    NOTIFY_SA_LIFETIME = 27
    CERTIFICATE_UNAVAILABLE = 28
    UNSUPPORTED_EXCHANGE_TYPE = 29
    UNEQUAL_PAYLOAD_LENGTHS = 30
    CONNECTED = 16384
    RESPONDER_LIFETIME = 24576
    REPLAY_STATUS = 24577
    INITIAL_CONTACT = 24578
    R_U_THERE = 36136  # RFC 3706 section 5.3
    R_U_THERE_ACK = 36137
    UNITY_HEARTBEAT = 40500  # Cisco: the user is still typing
    UNITY_LOAD_BALANCE = 40501  # Cisco: go to another gateway, 4 octets of address
    UNITY_GROUP_HASH = 40503  # Cisco "mutual group authentication": proof of the group password in hybrid


class CertificateEncoding(OpenEnum):
    """What a CERT holds or a CERTREQ wants (RFC 2408 section 3.9)."""

    NONE = 0
    PKCS7 = 1
    PGP = 2
    DNS_SIGNED_KEY = 3
    X509_SIGNATURE = 4
    X509_KEY_EXCHANGE = 5
    KERBEROS = 6
    CRL = 7
    ARL = 8
    SPKI = 9
    X509_ATTRIBUTE = 10


# ---- phase 1 (RFC 2409 appendix A) --------------------------------------------------------------


class IsakmpTransform(OpenEnum):
    """The only transform of protocol ISAKMP (RFC 2407 section 4.4.2)."""

    KEY_IKE = 1


class Phase1Attribute(OpenEnum):
    """Attributes of a phase 1 transform."""

    ENCRYPTION = 1
    HASH = 2
    AUTHENTICATION = 3
    GROUP_DESCRIPTION = 4
    GROUP_TYPE = 5
    GROUP_PRIME = 6
    GROUP_GENERATOR_1 = 7
    GROUP_GENERATOR_2 = 8
    GROUP_CURVE_A = 9
    GROUP_CURVE_B = 10
    LIFE_TYPE = 11
    LIFE_DURATION = 12
    PRF = 13
    KEY_LENGTH = 14
    FIELD_SIZE = 15
    GROUP_ORDER = 16


class Phase1Encryption(OpenEnum):
    """Values of ENCRYPTION (AES: RFC 3602 section 5.1). 0 is no cipher, but vpnc offers it."""

    DES_CBC = 1
    IDEA_CBC = 2
    BLOWFISH_CBC = 3
    RC5_CBC = 4
    TRIPLE_DES_CBC = 5
    CAST_CBC = 6
    AES_CBC = 7
    CAMELLIA_CBC = 8


class Phase1Hash(OpenEnum):
    """Values of HASH; SHA-2 by IANA's registry of IKE attributes."""

    MD5 = 1
    SHA1 = 2
    TIGER = 3
    SHA2_256 = 4
    SHA2_384 = 5
    SHA2_512 = 6


class AuthenticationMethod(OpenEnum):
    """Values of AUTHENTICATION. INIT and RESP tell which side, of phase 1, is asked for a login.

    From 64221 on by draft-ietf-ipsec-isakmp-hybrid-auth-05, from 65001 on by draft-beaulieu-ike-xauth-02.
    """

    PRE_SHARED_KEY = 1
    DSS_SIGNATURES = 2
    RSA_SIGNATURES = 3
    RSA_ENCRYPTION = 4
    REVISED_RSA_ENCRYPTION = 5
    HYBRID_INIT_RSA = 64221
    HYBRID_RESP_RSA = 64222
    HYBRID_INIT_DSS = 64223
    HYBRID_RESP_DSS = 64224
    XAUTH_INIT_PRE_SHARED = 65001
    XAUTH_RESP_PRE_SHARED = 65002
    XAUTH_INIT_DSS = 65003
    XAUTH_RESP_DSS = 65004
    XAUTH_INIT_RSA = 65005
    XAUTH_RESP_RSA = 65006
    XAUTH_INIT_RSA_ENCRYPTION = 65007
    XAUTH_RESP_RSA_ENCRYPTION = 65008
    XAUTH_INIT_REVISED_RSA_ENCRYPTION = 65009
    XAUTH_RESP_REVISED_RSA_ENCRYPTION = 65010


class LifeType(OpenEnum):
    """Units of a LIFE_DURATION, the same in both phases."""

    SECONDS = 1
    KILOBYTES = 2


# ---- phase 2 (RFC 2407 section 4.4 and 4.5) -----------------------------------------------------


class EspTransform(OpenEnum):
    """ESP transforms (RFC 2407 section 4.4.4, RFC 3602 section 5.1, RFC 4106 section 9)."""

    DES_IV64 = 1
    DES = 2
    TRIPLE_DES = 3
    RC5 = 4
    IDEA = 5
    CAST = 6
    BLOWFISH = 7
    TRIPLE_IDEA = 8
    DES_IV32 = 9
    NULL = 11
    AES_CBC = 12
    AES_CTR = 13
    AES_CCM_8 = 14
    AES_CCM_12 = 15
    AES_CCM_16 = 16
    AES_GCM_8 = 18
    AES_GCM_12 = 19
    AES_GCM_16 = 20
    CAMELLIA_CBC = 22
    NULL_AUTH_AES_GMAC = 23


class EspAttribute(OpenEnum):
    """Attributes of a phase 2 transform (RFC 2407 section 4.5; the last two: RFC 3168 section 9.2.1, RFC 4304)."""

    LIFE_TYPE = 1
    LIFE_DURATION = 2
    GROUP_DESCRIPTION = 3
    ENCAPSULATION_MODE = 4
    AUTHENTICATION = 5
    KEY_LENGTH = 6
    KEY_ROUNDS = 7
    COMPRESS_DICTIONARY_SIZE = 8
    COMPRESS_PRIVATE_ALGORITHM = 9
    ECN_TUNNEL = 10
    EXTENDED_SEQUENCE_NUMBER = 11


class EspAuthentication(OpenEnum):
    """Values of AUTHENTICATION in phase 2 (RFC 2407 section 4.5; SHA-2 by IANA, its sizes by RFC 4868)."""

    HMAC_MD5 = 1
    HMAC_SHA1 = 2
    DES_MAC = 3
    KPDK = 4
    HMAC_SHA2_256 = 5
    HMAC_SHA2_384 = 6
    HMAC_SHA2_512 = 7
    HMAC_RIPEMD = 8
    AES_XCBC_MAC = 9


class EncapsulationMode(OpenEnum):
    """Values of ENCAPSULATION_MODE (RFC 2407 section 4.5, RFC 3947 section 5.1)."""

    TUNNEL = 1
    TRANSPORT = 2
    UDP_TUNNEL = 3
    UDP_TRANSPORT = 4
    UDP_TUNNEL_DRAFT = 61443
    UDP_TRANSPORT_DRAFT = 61444


# ---- the transaction exchange -------------------------------------------------------------------


class TransactionType(OpenEnum):
    """What an attributes payload does (draft-dukes-ike-mode-cfg-02 section 3.2)."""

    REQUEST = 1
    REPLY = 2
    SET = 3
    ACK = 4


class XauthAttribute(OpenEnum):
    """Xauth attributes (draft-beaulieu-ike-xauth-02 section 6.2)."""

    TYPE = 16520
    USER_NAME = 16521
    USER_PASSWORD = 16522
    PASSCODE = 16523
    MESSAGE = 16524
    CHALLENGE = 16525
    DOMAIN = 16526
    STATUS = 16527
    NEXT_PIN = 16528
    ANSWER = 16529


class XauthStatus(enum.IntEnum):
    """Values of STATUS."""

    FAIL = 0
    OK = 1


class ModeConfigAttribute(OpenEnum):
    """Mode Config attributes (draft-dukes-ike-mode-cfg-02 section 3.4) and those of Cisco Unity, from 28672."""

    INTERNAL_IP4_ADDRESS = 1
    INTERNAL_IP4_NETMASK = 2
    INTERNAL_IP4_DNS = 3
    INTERNAL_IP4_NBNS = 4
    INTERNAL_ADDRESS_EXPIRY = 5
    INTERNAL_IP4_DHCP = 6
    APPLICATION_VERSION = 7
    INTERNAL_IP6_ADDRESS = 8
    INTERNAL_IP6_NETMASK = 9
    INTERNAL_IP6_DNS = 10
    INTERNAL_IP6_NBNS = 11
    INTERNAL_IP6_DHCP = 12
    INTERNAL_IP4_SUBNET = 13
    SUPPORTED_ATTRIBUTES = 14
    INTERNAL_IP6_SUBNET = 15
    UNITY_BANNER = 28672
    UNITY_SAVE_PASSWD = 28673
    UNITY_DEF_DOMAIN = 28674
    UNITY_SPLITDNS_NAME = 28675
    UNITY_SPLIT_INCLUDE = 28676
    UNITY_NATT_PORT = 28677
    UNITY_LOCAL_LAN = 28678
    UNITY_PFS = 28679
    UNITY_FW_TYPE = 28680
    UNITY_BACKUP_SERVERS = 28681
    UNITY_DDNS_HOSTNAME = 28682
    CISCO_XAUTH_VENDOR = 32136  # seen by vpnc, meaning unknown
