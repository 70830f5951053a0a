"""The attributes that we send or read, by the numbers of their RFCs; pyrad brings no dictionary of its own.

Attributes that are not here stay octets under their number and can still be shown.
"""

from __future__ import annotations

import io
from typing import Final

from pyrad.dictionary import Dictionary

_TEXT: Final = """
# RFC 2865: authentication
ATTRIBUTE User-Name                 1   string
ATTRIBUTE User-Password             2   octets
ATTRIBUTE NAS-IP-Address            4   ipaddr
ATTRIBUTE NAS-Port                  5   integer
ATTRIBUTE Service-Type              6   integer
ATTRIBUTE Framed-Protocol           7   integer
ATTRIBUTE Framed-IP-Address         8   ipaddr
ATTRIBUTE Framed-IP-Netmask         9   ipaddr
ATTRIBUTE Filter-Id                 11  string
ATTRIBUTE Framed-MTU                12  integer
ATTRIBUTE Reply-Message             18  string
ATTRIBUTE Framed-Route              22  string
ATTRIBUTE State                     24  octets
ATTRIBUTE Class                     25  octets
ATTRIBUTE Session-Timeout           27  integer
ATTRIBUTE Idle-Timeout              28  integer
ATTRIBUTE Termination-Action        29  integer
ATTRIBUTE Called-Station-Id         30  string
ATTRIBUTE Calling-Station-Id        31  string
ATTRIBUTE NAS-Identifier            32  string
ATTRIBUTE Proxy-State               33  octets
ATTRIBUTE NAS-Port-Type             61  integer
ATTRIBUTE Port-Limit                62  integer
VALUE Service-Type                  Framed-User         2
VALUE Service-Type                  Authorize-Only      17
VALUE Framed-Protocol               PPP                 1
VALUE NAS-Port-Type                 Virtual             5

# RFC 2866: accounting
ATTRIBUTE Acct-Status-Type          40  integer
ATTRIBUTE Acct-Delay-Time           41  integer
ATTRIBUTE Acct-Input-Octets         42  integer
ATTRIBUTE Acct-Output-Octets        43  integer
ATTRIBUTE Acct-Session-Id           44  string
ATTRIBUTE Acct-Authentic            45  integer
ATTRIBUTE Acct-Session-Time         46  integer
ATTRIBUTE Acct-Input-Packets        47  integer
ATTRIBUTE Acct-Output-Packets       48  integer
ATTRIBUTE Acct-Terminate-Cause      49  integer
ATTRIBUTE Acct-Multi-Session-Id     50  string
VALUE Acct-Status-Type              Start               1
VALUE Acct-Status-Type              Stop                2
VALUE Acct-Status-Type              Interim-Update      3
VALUE Acct-Status-Type              Accounting-On       7
VALUE Acct-Status-Type              Accounting-Off      8
VALUE Acct-Authentic                RADIUS              1
VALUE Acct-Terminate-Cause          User-Request        1
VALUE Acct-Terminate-Cause          Lost-Carrier        2
VALUE Acct-Terminate-Cause          Lost-Service        3
VALUE Acct-Terminate-Cause          Idle-Timeout        4
VALUE Acct-Terminate-Cause          Session-Timeout     5
VALUE Acct-Terminate-Cause          Admin-Reset         6
VALUE Acct-Terminate-Cause          Admin-Reboot        7
VALUE Acct-Terminate-Cause          Port-Error          8
VALUE Acct-Terminate-Cause          NAS-Error           9
VALUE Acct-Terminate-Cause          NAS-Request         10
VALUE Acct-Terminate-Cause          NAS-Reboot          11
VALUE Acct-Terminate-Cause          Port-Preempted      13
VALUE Acct-Terminate-Cause          Service-Unavailable 15
VALUE Acct-Terminate-Cause          User-Error          17

# RFC 2869 and RFC 3579: extensions
ATTRIBUTE Acct-Input-Gigawords      52  integer
ATTRIBUTE Acct-Output-Gigawords     53  integer
ATTRIBUTE Event-Timestamp           55  date
ATTRIBUTE Prompt                    76  integer
ATTRIBUTE Connect-Info              77  string
ATTRIBUTE EAP-Message               79  octets
ATTRIBUTE Message-Authenticator     80  octets
ATTRIBUTE Acct-Interim-Interval     85  integer
ATTRIBUTE NAS-Port-Id               87  string
ATTRIBUTE Framed-Pool               88  string
VALUE Prompt                        No-Echo             0
VALUE Prompt                        Echo                1

# RFC 3162: IPv6
ATTRIBUTE NAS-IPv6-Address          95  ipv6addr

# RFC 5176: dynamic authorization
ATTRIBUTE Error-Cause               101 integer
VALUE Error-Cause                   Unsupported-Attribute               401
VALUE Error-Cause                   Missing-Attribute                   402
VALUE Error-Cause                   NAS-Identification-Mismatch         403
VALUE Error-Cause                   Invalid-Request                     404
VALUE Error-Cause                   Unsupported-Service                 405
VALUE Error-Cause                   Invalid-Attribute-Value             407
VALUE Error-Cause                   Session-Context-Not-Found           503
VALUE Error-Cause                   Resources-Unavailable               506
VALUE Error-Cause                   Multiple-Session-Selection-Unsupported 508

# RFC 2548: Microsoft
VENDOR Microsoft 311
BEGIN-VENDOR Microsoft
ATTRIBUTE MS-CHAP-Error             2   octets
ATTRIBUTE MS-CHAP-Challenge         11  octets
ATTRIBUTE MS-CHAP2-Response         25  octets
ATTRIBUTE MS-CHAP2-Success          26  octets
ATTRIBUTE MS-Primary-DNS-Server     28  ipaddr
ATTRIBUTE MS-Secondary-DNS-Server   29  ipaddr
ATTRIBUTE MS-Primary-NBNS-Server    30  ipaddr
ATTRIBUTE MS-Secondary-NBNS-Server  31  ipaddr
END-VENDOR Microsoft

# Altiga, later the Cisco VPN 3000 and ASA
VENDOR Altiga 3076
BEGIN-VENDOR Altiga
ATTRIBUTE Altiga-Simultaneous-Logins    2   integer
ATTRIBUTE Altiga-Primary-DNS            5   ipaddr
ATTRIBUTE Altiga-Secondary-DNS          6   ipaddr
ATTRIBUTE Altiga-Primary-WINS           7   ipaddr
ATTRIBUTE Altiga-Secondary-WINS         8   ipaddr
ATTRIBUTE Altiga-Banner1                15  string
ATTRIBUTE Altiga-Allow-Password-Store   16  integer
ATTRIBUTE Altiga-Split-Tunnel-List      27  string
ATTRIBUTE Altiga-Default-Domain         28  string
ATTRIBUTE Altiga-Split-DNS-Names        29  string
ATTRIBUTE Altiga-Banner2                36  string
ATTRIBUTE Altiga-Auth-On-Rekey          42  integer
ATTRIBUTE Altiga-Split-Tunneling-Policy 55  integer
ATTRIBUTE Altiga-Address-Pools          217 string
END-VENDOR Altiga

# Cisco IOS (Easy VPN)
VENDOR Cisco 9
BEGIN-VENDOR Cisco
ATTRIBUTE Cisco-AVPair              1   string
END-VENDOR Cisco
"""

DICTIONARY: Final = Dictionary(io.StringIO(_TEXT))
