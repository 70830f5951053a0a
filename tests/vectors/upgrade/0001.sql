PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO alembic_version VALUES('0001');
CREATE TABLE administrators (
	id INTEGER NOT NULL, 
	name VARCHAR(128) NOT NULL, 
	password_hash VARCHAR(512) NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	created_at DATETIME NOT NULL, 
	password_changed_at DATETIME NOT NULL, 
	last_sign_in_at DATETIME, 
	CONSTRAINT pk_administrators PRIMARY KEY (id), 
	CONSTRAINT uq_administrators_name UNIQUE (name)
);
INSERT INTO administrators VALUES(1,'admin','$argon2id$v=19$m=19456,t=2,p=1$lSNo5Hvv39wyshcbziKnbQ$FIVfPadab9msPzoQAoSioeI/P30XDOYU0kgV11cp0uk',1,'2026-11-26 11:26:08.940861','2026-11-26 11:26:08.940866',NULL);
CREATE TABLE audit_entries (
	id INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	who VARCHAR(128) NOT NULL, 
	source VARCHAR(128) NOT NULL, 
	deed VARCHAR(128) NOT NULL, 
	target VARCHAR(512) NOT NULL, 
	"before" JSON, 
	"after" JSON, 
	CONSTRAINT pk_audit_entries PRIMARY KEY (id)
);
INSERT INTO audit_entries VALUES(1,'2026-11-26 11:26:07.209117','first start','','pool.add','default',NULL,'{"name": "default", "networks": ["10.99.0.0/24"], "dns": [], "wins": [], "domain": "", "split_include": [], "split_exclude": [], "split_dns": [], "reachable": ["0.0.0.0/0"], "banner": "", "save_password": false, "masquerade": true, "created_at": "2026-11-26T11:26:07.165224Z", "changed_at": "2026-11-26T11:26:07.165230Z", "addresses": 254, "taken": 0}');
INSERT INTO audit_entries VALUES(2,'2026-11-26 11:26:07.395684','first start','','certificate.issue','CN=Coati CA 5ef6',NULL,'{"purpose": "authority", "subject": "CN=Coati CA 5ef6", "serial_number": "5D75E3AD769E7457", "fingerprint": "B2:D9:64:68:66:63:CF:0C:8F:99:49:B2:2D:C2:19:0D:E9:3F:1A:9F:0D:8F:32:54:76:87:51:2B:1E:F6:C1:33", "names": [], "not_before": "2026-11-25T11:26:07Z", "not_after": "2036-11-23T11:26:07Z", "retired_at": null, "pem": "-----BEGIN CERTIFICATE-----\nMIIC6zCCAdOgAwIBAgIIXXXjrXaedFcwDQYJKoZIhvcNAQELBQAwGDEWMBQGA1UE\nAwwNQ29hdGkgQ0EgNWVmNjAeFw0yNjExMjUxMTI2MDdaFw0zNjExMjMxMTI2MDda\nMBgxFjAUBgNVBAMMDUNvYXRpIENBIDVlZjYwggEiMA0GCSqGSIb3DQEBAQUAA4IB\nDwAwggEKAoIBAQC11rssJvdUPwNgalbJTb/ztrWQeGJdqIVNESnFeAkt2xA7xKPG\nRYY0Azlcf8y4Ito6HrNj8hoqfluQtvP+bdNI4NLH3TptJGgx6FUyB32Xrv/xhmJk\nUAUESHwHCTFoB+z5Dw0wy4keVilbRMgoK6pHG+mXtvVtVQaERQ62I4fCRrf/FKs+\nNWsrbXf9CkO3EaZP03uFpsnUmhBJ44tC7Ru5wm66EsQoUH/dcuUU+j2GM8NHX/TT\n3NsfoWu+4rymF8DSURYu+1uavAWFxu+zKOPa7sPlJ11SZFfebl/g8CiK4WAmEZmY\nQLV9fh5KicMtLl+eshlFFBL0C6XQDo5JQ6RBAgMBAAGjOTA3MBIGA1UdEwEB/wQI\nMAYBAf8CAQAwDgYDVR0PAQH/BAQDAgEGMBEGA1UdDgQKBAhA4DBPcOihlzANBgkq\nhkiG9w0BAQsFAAOCAQEAtCdS1alNaoD5wOcxNIHuEwPReYNRo51xlxd3peKYCq8J\nnp92zhx0j5nhU+gY82DnH4URwhSLWLad+EjpZT7bhNl1YZvxxlcHVJ2W0W+vkB1N\nA/UAVa8j1T/5OAV3LLOUVQ3UeIXpF0pqE3XQQO/4inoBPYvoKIznQZ1Cie3ho5Br\nR7iZ3Xu2z7h97Km1PHTHef4Qq7fcQWPdy3XJm6J9SqqN6NZzbCbA1FbsrmLd0dx6\n3FjPcjeRSFwoIKVUvfI15mxdMZ9pqeN1vqIYtw1QBmNptoWfiG2yz4dYUp96IP3V\nl7o04rLvqYzh8402eek45j34yqHofqhueMywO8yZGQ==\n-----END CERTIFICATE-----"}');
INSERT INTO audit_entries VALUES(3,'2026-11-26 11:26:08.142535','first start','','certificate.issue','CN=vpn.example.net',NULL,'{"purpose": "gateway", "subject": "CN=vpn.example.net", "serial_number": "5E11D92BD5F1A805", "fingerprint": "84:E0:DE:DD:71:46:98:8A:16:23:A8:64:3A:90:13:D3:D9:21:1A:BA:33:06:3B:2F:F4:91:E0:1A:1E:59:B7:18", "names": ["vpn.example.net"], "not_before": "2026-11-25T11:26:07Z", "not_after": "2029-02-03T11:26:07Z", "retired_at": null, "pem": "-----BEGIN CERTIFICATE-----\nMIIDFjCCAf6gAwIBAgIIXhHZK9XxqAUwDQYJKoZIhvcNAQELBQAwGDEWMBQGA1UE\nAwwNQ29hdGkgQ0EgNWVmNjAeFw0yNjExMjUxMTI2MDdaFw0yOTAyMDMxMTI2MDda\nMBoxGDAWBgNVBAMMD3Zwbi5leGFtcGxlLm5ldDCCASIwDQYJKoZIhvcNAQEBBQAD\nggEPADCCAQoCggEBAMqcOw0/I2hp98+Nu2hxZckyQqJSCGkCqQyABQKdlFJFY2lQ\n42fwje7RXYLW4Kbk9+MQvh4/stbYfLfb08ah36CzMZg85+Tg9Tm3Q/XBJuVojzg7\nkkwPbODCHTl123sHjuhsZmrA9jBzcJxKwtWQp9laxFFhiSpqWl1ypVqHgAqFr2lO\nB8jcUb3pc2lKDTa4PBVbHOHa++jZW+yeTVCs35vwzuAjsRlQv9hhQqDKeaY0xWke\nX3Q31Dl7BHS2UjsMjkw1mgqvCFybPSphvUG9CqyjutJPBJecwcVANW7kzSogzg2+\nJ+WDQCLAJuMlI9Zh1v6CNYnOQQlv1DLLkXLnMH8CAwEAAaNiMGAwGgYDVR0RBBMw\nEYIPdnBuLmV4YW1wbGUubmV0MB0GA1UdJQQWMBQGCCsGAQUFBwMBBggrBgEFBQgC\nAjAOBgNVHQ8BAf8EBAMCB4AwEwYDVR0jBAwwCoAIQOAwT3DooZcwDQYJKoZIhvcN\nAQELBQADggEBAFv/3zMGkWIxvZZJyXCvbw1vwXETsrYcwjWKg0+KSuLqVXWJWHek\nVrEaTApBSygFIXDN10pedfQ0jynYHSZV6a2RPgKNdrH78LXSx1W7wPnAk6QxBi9E\nQGOFXP/8z08Po+3olj2oitnjgpTUvFvEJ+4skcYxXuyVLPNZEftadG3xKPdjITGt\natpzTvCQ9lSWkM0fyZc31qHL81qR8voBvklK5qtbuCvrODQBNL4tdj9GYONh7mMl\n8uq+4SydjrnE6zBSRf4A89C829PjUINBF8NjVl2cWFElzjpprcLVD8VeW3xj3Ugi\nYLlsx0PfTGhcEd2ZoT4mq09XSORljIV2l0s=\n-----END CERTIFICATE-----"}');
INSERT INTO audit_entries VALUES(4,'2026-11-26 11:26:08.533496','first start','','certificate.issue','CN=vpn.example.net',NULL,'{"purpose": "panel", "subject": "CN=vpn.example.net", "serial_number": "7F5E57FE06299DB6", "fingerprint": "35:2A:6D:F5:6C:CF:8C:FB:34:9E:66:DB:56:1F:16:D2:C8:17:07:78:E3:AA:E5:32:62:83:16:7D:34:59:67:2E", "names": ["vpn.example.net", "vm", "localhost", "127.0.0.1"], "not_before": "2026-11-25T11:26:08Z", "not_after": "2029-02-03T11:26:08Z", "retired_at": null, "pem": "-----BEGIN CERTIFICATE-----\nMIICVjCCAT6gAwIBAgIIf15X/gYpnbYwDQYJKoZIhvcNAQELBQAwGDEWMBQGA1UE\nAwwNQ29hdGkgQ0EgNWVmNjAeFw0yNjExMjUxMTI2MDhaFw0yOTAyMDMxMTI2MDha\nMBoxGDAWBgNVBAMMD3Zwbi5leGFtcGxlLm5ldDBZMBMGByqGSM49AgEGCCqGSM49\nAwEHA0IABO9LCyZRZXeGGyyTB+INGYCQXUIzCnkdGgilRKv9ALMxhjs8GlWMH8we\nc0AwRl3kzIjG4rVTtflKAFotrd+KX4OjbTBrMC8GA1UdEQQoMCaCD3Zwbi5leGFt\ncGxlLm5ldIICdm2CCWxvY2FsaG9zdIcEfwAAATATBgNVHSUEDDAKBggrBgEFBQcD\nATAOBgNVHQ8BAf8EBAMCB4AwEwYDVR0jBAwwCoAIQOAwT3DooZcwDQYJKoZIhvcN\nAQELBQADggEBACp5Zea85OK+3GJDd851fZqb2/eeQz3HrRjcBgm0IH7hZjNNADTR\nH4cEMJeCInVLYgv69g5Lp2iXAw1rqyl2zubNzRn+b/295ajJxuBBWje/wt7kBuir\nCc0VEz88MFII9DQJc0Ka6iq1qCUzUd0pByg/mcJi3hYtGAzASIuUy0ydeeJ9OXO2\nxCZrDM45KASUS59NDNl+1WrGwI2fpJHfdL7IgH5NgSPq6CkS0nFdD08ZhZCn1n9f\nhB+DTT56FLYr5VrKXSv6BwJQCEQzzzthftqI2qAs530LjoDJtsvrYlqX77v8KcFp\nSGUmZ9mjYog4TY5Tcby1mG1CcBlcb96Abts=\n-----END CERTIFICATE-----"}');
INSERT INTO audit_entries VALUES(5,'2026-11-26 11:26:08.604616','first start','','profile.add','default',NULL,'{"name": "default", "enabled": true, "position": 100, "authentication": ["hybrid-rsa"], "modes": ["main", "aggressive"], "group_names": [], "has_pre_shared_key": false, "client_authorities": "", "preset": "compatible", "ike_proposals": ["aes256-sha256-ecp256", "aes256-sha256-ecp384", "aes256-sha256-modp2048", "aes256-sha256-modp3072", "aes256-sha256-modp4096", "aes256-sha384-ecp256", "aes256-sha384-ecp384", "aes256-sha384-modp2048", "aes256-sha384-modp3072", "aes256-sha384-modp4096", "aes256-sha512-ecp256", "aes256-sha512-ecp384", "aes256-sha512-modp2048", "aes256-sha512-modp3072", "aes256-sha512-modp4096", "aes128-sha256-ecp256", "aes128-sha256-ecp384", "aes128-sha256-modp2048", "aes128-sha256-modp3072", "aes128-sha256-modp4096", "aes128-sha384-ecp256", "aes128-sha384-ecp384", "aes128-sha384-modp2048", "aes128-sha384-modp3072", "aes128-sha384-modp4096", "aes128-sha512-ecp256", "aes128-sha512-ecp384", "aes128-sha512-modp2048", "aes128-sha512-modp3072", "aes128-sha512-modp4096", "aes256-sha256-modp1536", "aes256-sha256-modp1024", "aes256-sha1-modp2048", "aes256-sha1-modp1536", "aes256-sha1-modp1024", "aes192-sha256-modp2048", "aes192-sha256-modp1536", "aes192-sha256-modp1024", "aes192-sha1-modp2048", "aes192-sha1-modp1536", "aes192-sha1-modp1024", "aes128-sha256-modp1536", "aes128-sha256-modp1024", "aes128-sha1-modp2048", "aes128-sha1-modp1536", "aes128-sha1-modp1024"], "esp_proposals": ["aes256gcm16", "aes128gcm16", "aes256-sha256", "aes256-sha384", "aes256-sha512", "aes128-sha256", "aes128-sha384", "aes128-sha512", "aes256-sha1", "aes192-sha1", "aes128-sha1"], "pfs_groups": [], "require_pfs": false, "truncate_sha256_to_96": false, "isakmp_lifetime_seconds": 86400, "child_lifetime_seconds": 28800, "child_lifetime_kilobytes": null, "configuration_push": false, "reauthenticate_on_rekey": true, "xauth_prompts": true, "dpd_interval_seconds": 30.0, "dpd_timeout_seconds": 120.0, "fragment_octets": 576, "xauth_timeout_seconds": 120.0, "pool": null, "created_at": "2026-11-26T11:26:08.579875Z", "changed_at": "2026-11-26T11:26:08.579880Z", "weaknesses": ["accepts modp1024 and modp1536, groups that are too small"]}');
INSERT INTO audit_entries VALUES(6,'2026-11-26 11:26:08.941779','first start','','administrator.add','admin',NULL,'{"name": "admin", "enabled": true, "created_at": "2026-11-26T11:26:08.940861Z", "password_changed_at": "2026-11-26T11:26:08.940866Z", "last_sign_in_at": null}');
INSERT INTO audit_entries VALUES(7,'2026-11-26 11:26:12.969176','root on the command line','','user.add','alice',NULL,'{"name": "alice", "full_name": "", "enabled": true, "created_at": "2026-11-26T11:26:12.958019Z", "changed_at": "2026-11-26T11:26:12.958025Z", "password_changed_at": "2026-11-26T11:26:12.958026Z", "last_login_at": null, "live_sessions": 0}');
INSERT INTO audit_entries VALUES(8,'2026-11-26 11:26:19.809053','root on the command line','','pool.add','branch',NULL,'{"name": "branch", "networks": ["10.55.0.0/24"], "dns": [], "wins": [], "domain": "", "split_include": [], "split_exclude": [], "split_dns": [], "reachable": ["0.0.0.0/0"], "banner": "", "save_password": false, "masquerade": true, "created_at": "2026-11-26T11:26:19.769343Z", "changed_at": "2026-11-26T11:26:19.769350Z", "addresses": 254, "taken": 0}');
INSERT INTO audit_entries VALUES(9,'2026-11-26 11:26:27.734379','root on the command line','','profile.add','phones',NULL,'{"name": "phones", "enabled": true, "position": 100, "authentication": ["xauth-psk"], "modes": ["main"], "group_names": [], "has_pre_shared_key": true, "client_authorities": "", "preset": "compatible", "ike_proposals": ["aes256-sha256-ecp256", "aes256-sha256-ecp384", "aes256-sha256-modp2048", "aes256-sha256-modp3072", "aes256-sha256-modp4096", "aes256-sha384-ecp256", "aes256-sha384-ecp384", "aes256-sha384-modp2048", "aes256-sha384-modp3072", "aes256-sha384-modp4096", "aes256-sha512-ecp256", "aes256-sha512-ecp384", "aes256-sha512-modp2048", "aes256-sha512-modp3072", "aes256-sha512-modp4096", "aes128-sha256-ecp256", "aes128-sha256-ecp384", "aes128-sha256-modp2048", "aes128-sha256-modp3072", "aes128-sha256-modp4096", "aes128-sha384-ecp256", "aes128-sha384-ecp384", "aes128-sha384-modp2048", "aes128-sha384-modp3072", "aes128-sha384-modp4096", "aes128-sha512-ecp256", "aes128-sha512-ecp384", "aes128-sha512-modp2048", "aes128-sha512-modp3072", "aes128-sha512-modp4096", "aes256-sha256-modp1536", "aes256-sha256-modp1024", "aes256-sha1-modp2048", "aes256-sha1-modp1536", "aes256-sha1-modp1024", "aes192-sha256-modp2048", "aes192-sha256-modp1536", "aes192-sha256-modp1024", "aes192-sha1-modp2048", "aes192-sha1-modp1536", "aes192-sha1-modp1024", "aes128-sha256-modp1536", "aes128-sha256-modp1024", "aes128-sha1-modp2048", "aes128-sha1-modp1536", "aes128-sha1-modp1024"], "esp_proposals": ["aes256gcm16", "aes128gcm16", "aes256-sha256", "aes256-sha384", "aes256-sha512", "aes128-sha256", "aes128-sha384", "aes128-sha512", "aes256-sha1", "aes192-sha1", "aes128-sha1"], "pfs_groups": [], "require_pfs": false, "truncate_sha256_to_96": false, "isakmp_lifetime_seconds": 86400, "child_lifetime_seconds": 28800, "child_lifetime_kilobytes": null, "configuration_push": false, "reauthenticate_on_rekey": true, "xauth_prompts": true, "dpd_interval_seconds": 30.0, "dpd_timeout_seconds": 120.0, "fragment_octets": 576, "xauth_timeout_seconds": 120.0, "pool": "branch", "created_at": "2026-11-26T11:26:27.730845Z", "changed_at": "2026-11-26T11:26:27.730850Z", "weaknesses": ["accepts modp1024 and modp1536, groups that are too small", "a group key is known to every client: each of them can pose as the gateway"]}');
CREATE TABLE certificates (
	id INTEGER NOT NULL, 
	purpose VARCHAR(32) NOT NULL, 
	subject VARCHAR(512) NOT NULL, 
	serial_number VARCHAR(128) NOT NULL, 
	names JSON NOT NULL, 
	not_before DATETIME NOT NULL, 
	not_after DATETIME NOT NULL, 
	certificate BLOB NOT NULL, 
	private_key BLOB NOT NULL, 
	issuer_id INTEGER, 
	created_at DATETIME NOT NULL, 
	retired_at DATETIME, 
	CONSTRAINT pk_certificates PRIMARY KEY (id), 
	CONSTRAINT fk_certificates_issuer_id_certificates FOREIGN KEY(issuer_id) REFERENCES certificates (id) ON DELETE RESTRICT, 
	CONSTRAINT uq_certificates_serial_number UNIQUE (serial_number)
);
INSERT INTO certificates VALUES(1,'authority','CN=Coati CA 5ef6','5D75E3AD769E7457','[]','2026-11-25 11:26:07.000000','2036-11-23 11:26:07.000000',X'308202eb308201d3a00302010202085d75e3ad769e7457300d06092a864886f70d01010b050030183116301406035504030c0d436f6174692043412035656636301e170d3236313132353131323630375a170d3336313132333131323630375a30183116301406035504030c0d436f617469204341203565663630820122300d06092a864886f70d01010105000382010f003082010a0282010100b5d6bb2c26f7543f03606a56c94dbff3b6b59078625da8854d1129c578092ddb103bc4a3c645863403395c7fccb822da3a1eb363f21a2a7e5b90b6f3fe6dd348e0d2c7dd3a6d246831e85532077d97aefff1866264500504487c0709316807ecf90f0d30cb891e56295b44c8282baa471be997b6f56d550684450eb62387c246b7ff14ab3e356b2b6d77fd0a43b711a64fd37b85a6c9d49a1049e38b42ed1bb9c26eba12c428507fdd72e514fa3d8633c3475ff4d3dcdb1fa16bbee2bca617c0d251162efb5b9abc0585c6efb328e3daeec3e5275d526457de6e5fe0f0288ae1602611999840b57d7e1e4a89c32d2e5f9eb219451412f40ba5d00e8e4943a4410203010001a339303730120603551d130101ff040830060101ff020100300e0603551d0f0101ff04040302010630110603551d0e040a040840e0304f70e8a197300d06092a864886f70d01010b05000382010100b42752d5a94d6a80f9c0e7313481ee1303d1798351a39d71971777a5e2980aaf099e9f76ce1c748f99e153e818f360e71f8511c2148b58b69df848e9653edb84d975619bf1c65707549d96d16faf901d4d03f50055af23d53ff93805772cb394550dd47885e9174a6a1375d040eff88a7a013d8be8288ce7419d4289ede1a3906b47b899dd7bb6cfb87deca9b53c74c779fe10abb7dc4163ddcb75c99ba27d4aaa8de8d6736c26c0d456ecae62ddd1dc7adc58cf723791485c2820a554bdf235e66c5d319f69a9e375bea218b70d50066369b6859f886db2cf8758529f7a20fdd597ba34e2b2efa98ce1f38d3679e938e63df8caa1e87ea86e78ccb03bcc9919',X'01b28a638a322ecb17bba039f7aa95fb11708a63c57a356ffdd09e1e9be0404444d7890e2e52633bb8f2f98af2d4f77a140b02f439e1ce96e72114f0515d9d36c673e36f46b29be2435df1eac07a77f68e31053ebedb3a078b2c6949d2c01015cadd744cedf29c9cf9751518d85ffbc0a252d64cd09573f0e8c4a80f200b5c36edfb59245dfc16ee1fcd8c2e70b669aee666ec2157cc4fadd98ea103282380441bf9e5272d15cbd66babbb6d5f197f22338807a534e02eea0aa8b9574ff8c7ecea636b724542f0fd09adeb821ecbea9496a16ec3cdccb2b2b367a5597b23d6c069548a49069a0866c8e22d0710d0ed4270540afcd1705a0f123c2b13ec90307718dcc2e8f3a9bee5010de972ca9ea225cc1e1fb6f24c5a10cfe82d857c7c47c0ea7a9eda21b9f9f3ecaf2291bb4f26580ca9a69ecb96267545cf43f21307875af924cad533aacec6db1dfa98a1b51c24d4b37ae45a65b7b40ce7186e5ff4816324d6dd0c0fbb9cf38ec47ef4dd26a8240dc98f17521e463ecbc16379945e3fd11e81c6276d64776b4d302af034aff95aae5e9b20902ef6a6914c1f7e22e15a5d9fb3c7fd75ae518b9db45468920b1faed24e8c90bceca39b54d51c1dcb4be420e15adf7a83162e0cc76e1de31604b5acaf4b5b246502d21fa4873dd17c0cdfa8473b3de85b034b73f4c4cddd2e61d63c4e3875e30f0208722ac8885f8df9e7cdb5d8371af15a8bc251baf5c9c90c4c97837d93907f29367804d8217029065c66eb015a1de21aee8fa858e69dd8416edf984b118b4eb4e38de6e08951e32c9d167ba05105191dab3846afbd8806ade65dddefee2795b17920467d79a1876e92482f6609364facf688924bee015c3466acea1c4e98a77fc12833cc372df6ffbf4c54035965dd0d15a7d974568645f5b34a732deede3fcd9d720b24f70931be1cf5e5bd0f5ec45e208d1f12f9cab948ac090629b958f7504b6d1c2cae2dfec04e1151beef1e5fed59711780a5b6e26c6d9f90b9ab71096b6fa27c6d06e1a3fd637f240b1b6f6809ebcf8cc7e8d470505fd71f8d6b2787f780118165ab278f1169465e52667ba4a06a7b83fed8cef88d8ea2c6b3cf6c59f245ab0906073045f9ac94e6e0cbdddcac09c120b291b59fecc08e8956b7e18f3abfb23ea9777eb998415692221a3b7c6af3caa0d36608956c693b92ed8ea1f1f218a535e517575f774752f09d86c6a944f5ebf4dffd769f89974bf78d7ec906fea2a413b84ee23fb840192f5809d97a3ddd580593e56bd593cfd35b581c7ec5631bf28f67ce7e8cf84f4c54c49ed1ea63b8a475379c6c60dba17510dbe585634b202f347ad2a4147da46280d7190d497b398397c9c7d4a985dce7993772370bf5ee6a3c7cbbdc73059e31361b18461dfb9c827d504ca251c1c59508913d1f7c34e552dffbeaf33729e40d33d23a4d900c6ce87ce2ec7c5568963bb30d92cd8ee52bb02171c87a0e97fc1bf8eea9800517c22cd20b6c998d7becb7bb4caeb22b9f2a004a49d40978c677cdc62872b325397f5bd8253ec36ff3aa73dc9b7ff91f85feccb309e2754684a456100916ffc7d4c1074c16461135cc7fef3faa8aa5b6bbc4a778d80c29647559eb73d3890f75a774807cbb522d33ad441b4e04dde38b0210d6d2e224e7b999d8c46f8fc5bcd77c1479da263d3c6a88e626ec29f5685c912f4c17ffdefa9f24ae7ed90194b7497a101fa6aec8e9d94b3370526f372f7ffffd558ad1b5ad3ca7af',NULL,'2026-11-26 11:26:07.393508',NULL);
INSERT INTO certificates VALUES(2,'gateway','CN=vpn.example.net','5E11D92BD5F1A805','["vpn.example.net"]','2026-11-25 11:26:07.000000','2029-02-03 11:26:07.000000',X'30820316308201fea00302010202085e11d92bd5f1a805300d06092a864886f70d01010b050030183116301406035504030c0d436f6174692043412035656636301e170d3236313132353131323630375a170d3239303230333131323630375a301a3118301606035504030c0f76706e2e6578616d706c652e6e657430820122300d06092a864886f70d01010105000382010f003082010a0282010100ca9c3b0d3f236869f7cf8dbb687165c93242a252086902a90c8005029d945245636950e367f08deed15d82d6e0a6e4f7e310be1e3fb2d6d87cb7dbd3c6a1dfa0b331983ce7e4e0f539b743f5c126e5688f383b924c0f6ce0c21d3975db7b078ee86c666ac0f63073709c4ac2d590a7d95ac45161892a6a5a5d72a55a87800a85af694e07c8dc51bde973694a0d36b83c155b1ce1dafbe8d95bec9e4d50acdf9bf0cee023b11950bfd86142a0ca79a634c5691e5f7437d4397b0474b6523b0c8e4c359a0aaf085c9b3d2a61bd41bd0aaca3bad24f04979cc1c540356ee4cd2a20ce0dbe27e5834022c026e32523d661d6fe823589ce41096fd432cb9172e7307f0203010001a3623060301a0603551d1104133011820f76706e2e6578616d706c652e6e6574301d0603551d250416301406082b0601050507030106082b06010505080202300e0603551d0f0101ff04040302078030130603551d23040c300a800840e0304f70e8a197300d06092a864886f70d01010b050003820101005bffdf3306916231bd9649c970af6f0d6fc17113b2b61cc2358a834f8a4ae2ea5575895877a456b11a4c0a414b28052170cdd74a5e75f4348f29d81d2655e9ad913e028d76b1fbf0b5d2c755bbc0f9c093a431062f444063855cfffccf4f0fa3ede8963da88ad9e38294d4bc5bc427ee2c91c6315eec952cf35911fb5a746df128f7632131ad6ada734ef090f6549690cd1fc99737d6a1cbf35a91f2fa01be494ae6ab5bb82beb38340134be2d763f4660e361ee6325f2eabee12c9d8eb9c4eb305245fe00f3d0bcdbd3e350834117c363565d9c585125ce3a69adc2d50fc55e5b7c63dd482260b96cc743df4c685c11dd99a13e26ab4f5748e4658c8576974b',X'0184dca2f25de0afd885aba0e730f618a87b4b817a2c0106cdd96fbfe7e6dafbd3f9a903d63b505e06b5434284e9c5a30f9f9abfecd7f55dd038c1828ce55b7b078149b7ed5d82ca6d1d40be49491ce49c611779ad9b94a956cf7c1809037b11f5cc2221ad1e12cabe8bb8b1649be24e744736712b830202b22a6b47bb2cce4bce39fefa3febb144cafd952b472aba4200ab4349c1469aee33f9bfc7629d86da338444478daa7d86bc60b5e35c70d0dfd791f2d6740419e1e41e6276632d01e2514f46ddde3f74ef246c1708a5f6837d446fa993ae2f6f9c8b490253a60dc5f6ef09f28277c1e4ff6d819d57b46c188e242894976790a213d975c0da3240c6048e05f042daa551f49d65b95476eaa3ea2dfa291ef6952ba041f85300add71ca8ab8408f96450dc4f89a3cfb820a8d6196cd250f5e1d948fadabae68e946497ffba7abd74c1b7082fa0e0f66e2d72263f4e0664fc85fd5d8effd50b1fc12106ffe62c427717695aaec9f08b3154a007ce9cf50fa0e408835a851ca0938fb0218aae14974fafbb24b60ea504128f1c1e6d770ccfa3d3718b43bf2a17d3f016f565612e21797b79574c2a071358f05588d7035418cad9dbb58430e49b1f7747d3d79677d375969fa381d8fcc00c8ad8dbefb9b54d2c45aa5bbea9525713c181df5305a63744d385ef808a9b27267301a4dff9702438a1147a987ceb609f6b8e7c64b21ebafbedf561641ecbeb39f975ff1dc62f1a01b21a45924bc596fd81c66b21f7ce0511ef2d16e4f2c516b64ee651ba583e854d4120318ff6fcbe32828e7911d2fbd9147b1c70c51e519ff339de5f4704ae0dfffb3f6d2d62b2f2e8a0a9552c3928fd86edd4ef3961ba121dd8c0a06c9d9e6df962a747c28c9b6810032f732524ed6251d556d47b9030d25905e3454263692d45456875eeb3d31d0d552d82e6396585121ed6ad24263b8bbf611d109cd82b641c2a759061975590972b684050032f9cacf122c370e3480c803196624d66100db13166e202d7d8455cd2bc2b237bdc9f164014fcc2106902ad2d22fbac6c69e8652705ce1b9a447e994335852a8365b9c91d9f1f0448b48c7745880d0c000a43244f151411484c141412b95ea7d9ed21fae31a27c97e0771155fa4135d8c6541ef2d80c80d3c2ba557c25ac1d142f9e5f38e82e9745d03f9d65ed1f617551e1f8bd2202708e064b9804090a75ae3ebadc9d95775fefd294d50ff61dfb97ea87731e3d6a3fe1892e117d992ff247115ad9ad2e68f1d6b66a44db82b3f991a3d876b11528a23c11ee91565bfa71f8c865e4a9d3747cdaf21c7cb707d73dc5b65cd8f4d5f2aa92f43483b78ca1f9a9b3a68c73b102b6270941e86a1f216b41d613197184f985bad79b08d6662ff42e79977398fa3306029293002689088ce5a978cb1861f9b643aa707b48aed4654531d195ab6d7a820a49fce3959c74f2fbc57c8ce5a7ddca2178fbcb78652ea0c5ba970a2c766220daf6d8a606ace65f66467418106d21ae4c3840f222fcb4e30494f63b567cafaf61914aed03cb5c9691cc941bb0a32aef6683d2038a38ee9e2c5a1b1800ad078b0a68a4a5ec659bde097d098cef2a2a018a6b394d8993ac606e9c0ca1c4fd627b6c232a2545044cb15d69a052222fdc52d75be879862bd38db4fe48fdcdf18aad84157683c51f075568a57bf8ef872a81b2a3d16635f3b0264044aebd0567f317300011802b4ae13246dd70357ba2514a2c8d5638a46',1,'2026-11-26 11:26:08.136461',NULL);
INSERT INTO certificates VALUES(3,'panel','CN=vpn.example.net','7F5E57FE06299DB6','["vpn.example.net", "vm", "localhost", "127.0.0.1"]','2026-11-25 11:26:08.000000','2029-02-03 11:26:08.000000',X'308202563082013ea00302010202087f5e57fe06299db6300d06092a864886f70d01010b050030183116301406035504030c0d436f6174692043412035656636301e170d3236313132353131323630385a170d3239303230333131323630385a301a3118301606035504030c0f76706e2e6578616d706c652e6e65743059301306072a8648ce3d020106082a8648ce3d03010703420004ef4b0b26516577861b2c9307e20d1980905d42330a791d1a08a544abfd00b331863b3c1a558c1fcc1e734030465de4cc88c6e2b553b5f94a005a2daddf8a5f83a36d306b302f0603551d1104283026820f76706e2e6578616d706c652e6e65748202766d82096c6f63616c686f737487047f00000130130603551d25040c300a06082b06010505070301300e0603551d0f0101ff04040302078030130603551d23040c300a800840e0304f70e8a197300d06092a864886f70d01010b050003820101002a7965e6bce4e2bedc624377ce757d9a9bdbf79e433dc7ad18dc0609b4207ee166334d0034d11f870430978222754b620bfaf60e4ba76897030d6bab2976cee6cdcd19fe6ffdbde5a8c9c6e0415a37bfc2dee406e8ab09cd15133f3c305208f4340973429aea2ab5a8253351dd2907283f99c262de162d180cc0488b94cb4c9d79e27d3973b6c4266b0cce392804944b9f4d0cd97ed56ac6c08d9fa491df74bec8807e4d8123eae82912d2715d0f4f198590a7d67f5f841f834d3e7a14b62be55aca5d2bfa070250084433cf3b617eda88daa02ce77d0b8e80c9b6cbeb625a97efbbfc29c16948652667d9a36288384d8e5371bcb5986d4270195c6fde806edb',X'01ccb1c270113f14c8ab7e6eaa6645057eaf4d6cd47d4995b559e439cb1a6b6e09a711a55f195e1310fca913d32251ee8064d105f58da8d91f46b299f1ce794a4ba31e25d3cd4f8ed9c838ebf10cbe16f07fc2acb5a057fdfa963022319d9f9bf96acf42285350034c4e5a594b1280cc395a067a13e6fdf75a54246b275af8f4c0c1fda492bfa45c5c04ff194df8becaf1f823300920572b53b406cc7d1b69c3692ed172ff324f',1,'2026-11-26 11:26:08.522087',NULL);
CREATE TABLE nodes (
	name VARCHAR(128) NOT NULL, 
	version VARCHAR(128) NOT NULL, 
	started_at DATETIME NOT NULL, 
	heartbeat_at DATETIME NOT NULL, 
	serving BOOLEAN NOT NULL, 
	data_plane VARCHAR(128) NOT NULL, 
	data_plane_reason TEXT NOT NULL, 
	ike_address VARCHAR(128) NOT NULL, 
	ike_port INTEGER NOT NULL, 
	natt_port INTEGER NOT NULL, 
	problems JSON NOT NULL, 
	counters JSON NOT NULL, 
	CONSTRAINT pk_nodes PRIMARY KEY (name)
);
INSERT INTO nodes VALUES('vm','0.1.0','2026-11-26 11:26:15.052064','2026-11-26 11:35:58.222261',0,'none','chosen by COATI_DATA_PLANE','0.0.0.0',500,4500,'[]','{"sessions": 0, "leases": 0, "logins": 0, "refusals": {}, "unrecorded_refusals": 0, "datagrams_dropped": {}, "half_open": 0, "peers": 0, "child_sas": 0, "orphans": 0, "datagrams": 0, "mishaps": 0, "transactions": 293}');
CREATE TABLE pools (
	id INTEGER NOT NULL, 
	name VARCHAR(128) NOT NULL, 
	networks JSON NOT NULL, 
	dns JSON NOT NULL, 
	wins JSON NOT NULL, 
	domain VARCHAR(512) NOT NULL, 
	split_include JSON NOT NULL, 
	split_exclude JSON NOT NULL, 
	split_dns JSON NOT NULL, 
	reachable JSON NOT NULL, 
	banner TEXT NOT NULL, 
	save_password BOOLEAN NOT NULL, 
	masquerade BOOLEAN NOT NULL, 
	created_at DATETIME NOT NULL, 
	changed_at DATETIME NOT NULL, 
	CONSTRAINT pk_pools PRIMARY KEY (id), 
	CONSTRAINT uq_pools_name UNIQUE (name)
);
INSERT INTO pools VALUES(1,'default','["10.99.0.0/24"]','[]','[]','','[]','[]','[]','["0.0.0.0/0"]','',0,1,'2026-11-26 11:26:07.165224','2026-11-26 11:26:07.165230');
INSERT INTO pools VALUES(2,'branch','["10.55.0.0/24"]','[]','[]','','[]','[]','[]','["0.0.0.0/0"]','',0,1,'2026-11-26 11:26:19.769343','2026-11-26 11:26:19.769350');
CREATE TABLE refusals (
	id INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	node VARCHAR(128) NOT NULL, 
	peer_address VARCHAR(128) NOT NULL, 
	peer_port INTEGER NOT NULL, 
	local_address VARCHAR(128) NOT NULL, 
	stage VARCHAR(128) NOT NULL, 
	reason TEXT NOT NULL, 
	remedy TEXT NOT NULL, 
	profile VARCHAR(128) NOT NULL, 
	identity VARCHAR(512) NOT NULL, 
	username VARCHAR(512) NOT NULL, 
	offered JSON NOT NULL, 
	accepted JSON NOT NULL, 
	vendor_ids JSON NOT NULL, 
	CONSTRAINT pk_refusals PRIMARY KEY (id)
);
CREATE TABLE revisions (
	topic VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	CONSTRAINT pk_revisions PRIMARY KEY (topic)
);
INSERT INTO revisions VALUES('certificates',1);
INSERT INTO revisions VALUES('pools',2);
INSERT INTO revisions VALUES('profiles',2);
INSERT INTO revisions VALUES('users',1);
CREATE TABLE sessions (
	id INTEGER NOT NULL, 
	node VARCHAR(128) NOT NULL, 
	peer_id INTEGER NOT NULL, 
	user VARCHAR(128) NOT NULL, 
	profile VARCHAR(128) NOT NULL, 
	pool VARCHAR(128) NOT NULL, 
	authentication VARCHAR(128) NOT NULL, 
	mode VARCHAR(128) NOT NULL, 
	identity VARCHAR(512) NOT NULL, 
	peer_address VARCHAR(128) NOT NULL, 
	peer_port INTEGER NOT NULL, 
	local_address VARCHAR(128) NOT NULL, 
	behind_nat BOOLEAN NOT NULL, 
	virtual_ip VARCHAR(128), 
	hostname VARCHAR(512) NOT NULL, 
	client_software VARCHAR(512) NOT NULL, 
	vendor_ids JSON NOT NULL, 
	ike_suite VARCHAR(128) NOT NULL, 
	esp_suite VARCHAR(128) NOT NULL, 
	liveness VARCHAR(128) NOT NULL, 
	dpd_probe INTEGER NOT NULL, 
	dpd_probes INTEGER NOT NULL, 
	last_heard_at DATETIME, 
	round_trip_seconds DOUBLE, 
	octets_in INTEGER NOT NULL, 
	octets_out INTEGER NOT NULL, 
	packets_in INTEGER NOT NULL, 
	packets_out INTEGER NOT NULL, 
	started_at DATETIME NOT NULL, 
	ended_at DATETIME, 
	goodbye VARCHAR(128) NOT NULL, 
	goodbye_reason TEXT NOT NULL, 
	details JSON NOT NULL, 
	CONSTRAINT pk_sessions PRIMARY KEY (id)
);
CREATE TABLE throttles (
	subject VARCHAR(256) NOT NULL, 
	failures INTEGER NOT NULL, 
	failed_at DATETIME NOT NULL, 
	blocked_until DATETIME, 
	CONSTRAINT pk_throttles PRIMARY KEY (subject)
);
CREATE TABLE tokens (
	id INTEGER NOT NULL, 
	handle VARCHAR(16) NOT NULL, 
	name VARCHAR(128) NOT NULL, 
	secret_hash BLOB NOT NULL, 
	scopes JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	created_by VARCHAR(128) NOT NULL, 
	expires_at DATETIME, 
	used_at DATETIME, 
	revoked_at DATETIME, 
	CONSTRAINT pk_tokens PRIMARY KEY (id), 
	CONSTRAINT uq_tokens_handle UNIQUE (handle), 
	CONSTRAINT uq_tokens_name UNIQUE (name)
);
CREATE TABLE users (
	id INTEGER NOT NULL, 
	name VARCHAR(128) NOT NULL, 
	full_name VARCHAR(512) NOT NULL, 
	password_hash VARCHAR(512) NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	created_at DATETIME NOT NULL, 
	changed_at DATETIME NOT NULL, 
	password_changed_at DATETIME NOT NULL, 
	last_login_at DATETIME, 
	CONSTRAINT pk_users PRIMARY KEY (id), 
	CONSTRAINT uq_users_name UNIQUE (name)
);
INSERT INTO users VALUES(1,'alice','','$argon2id$v=19$m=19456,t=2,p=1$erDOBSqBBRX7ZFLfD4Lfmw$4Pd3r3GxGYS5n680YrnQZzSkq/cp7T6zAj0M+f+xiso',1,'2026-11-26 11:26:12.958019','2026-11-26 11:26:12.958025','2026-11-26 11:26:12.958026',NULL);
CREATE TABLE commands (
	id INTEGER NOT NULL, 
	node VARCHAR(128) NOT NULL, 
	verb VARCHAR(32) NOT NULL, 
	session_id INTEGER, 
	reason TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	created_by VARCHAR(128) NOT NULL, 
	outcome VARCHAR(32) NOT NULL, 
	message TEXT NOT NULL, 
	finished_at DATETIME, 
	CONSTRAINT pk_commands PRIMARY KEY (id), 
	CONSTRAINT fk_commands_session_id_sessions FOREIGN KEY(session_id) REFERENCES sessions (id) ON DELETE CASCADE
);
CREATE TABLE leases (
	id INTEGER NOT NULL, 
	pool_id INTEGER NOT NULL, 
	address BIGINT NOT NULL, 
	free_since DATETIME, 
	user VARCHAR(128), 
	node VARCHAR(128), 
	taken_at DATETIME, 
	CONSTRAINT pk_leases PRIMARY KEY (id), 
	CONSTRAINT fk_leases_pool_id_pools FOREIGN KEY(pool_id) REFERENCES pools (id) ON DELETE CASCADE, 
	CONSTRAINT uq_leases_address UNIQUE (address)
);
INSERT INTO leases VALUES(1,1,174260225,'1970-01-01 00:00:00.000000',NULL,NULL,NULL);
INSERT INTO leases VALUES(2,1,174260226,'1970-01-01 00:00:00.000000',NULL,NULL,NULL);
INSERT INTO leases VALUES(3,1,174260227,'1970-01-01 00:00:00.000000',NULL,NULL,NULL);
INSERT INTO leases VALUES(255,2,171376641,'1970-01-01 00:00:00.000000',NULL,NULL,NULL);
INSERT INTO leases VALUES(256,2,171376642,'1970-01-01 00:00:00.000000',NULL,NULL,NULL);
INSERT INTO leases VALUES(257,2,171376643,'1970-01-01 00:00:00.000000',NULL,NULL,NULL);
CREATE TABLE profiles (
	id INTEGER NOT NULL, 
	name VARCHAR(128) NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	position INTEGER NOT NULL, 
	authentication JSON NOT NULL, 
	modes JSON NOT NULL, 
	group_names JSON NOT NULL, 
	pre_shared_key BLOB, 
	client_authorities TEXT NOT NULL, 
	preset VARCHAR(32) NOT NULL, 
	ike_proposals JSON NOT NULL, 
	esp_proposals JSON NOT NULL, 
	pfs_groups JSON NOT NULL, 
	require_pfs BOOLEAN NOT NULL, 
	truncate_sha256_to_96 BOOLEAN NOT NULL, 
	isakmp_lifetime_seconds INTEGER NOT NULL, 
	child_lifetime_seconds INTEGER NOT NULL, 
	child_lifetime_kilobytes INTEGER, 
	configuration_push BOOLEAN NOT NULL, 
	reauthenticate_on_rekey BOOLEAN NOT NULL, 
	xauth_prompts BOOLEAN NOT NULL, 
	dpd_interval_seconds DOUBLE NOT NULL, 
	dpd_timeout_seconds DOUBLE NOT NULL, 
	fragment_octets INTEGER NOT NULL, 
	xauth_timeout_seconds DOUBLE NOT NULL, 
	pool_id INTEGER, 
	created_at DATETIME NOT NULL, 
	changed_at DATETIME NOT NULL, 
	CONSTRAINT pk_profiles PRIMARY KEY (id), 
	CONSTRAINT fk_profiles_pool_id_pools FOREIGN KEY(pool_id) REFERENCES pools (id) ON DELETE RESTRICT, 
	CONSTRAINT uq_profiles_name UNIQUE (name)
);
INSERT INTO profiles VALUES(1,'default',1,100,'["hybrid-rsa"]','["main", "aggressive"]','[]',NULL,'','compatible','[]','[]','[]',0,0,86400,28800,NULL,0,1,1,30.0,120.0,576,120.0,NULL,'2026-11-26 11:26:08.579875','2026-11-26 11:26:08.579880');
INSERT INTO profiles VALUES(2,'phones',1,100,'["xauth-psk"]','["main"]','[]',X'01cea618278052b5a9951d53d152c0ba279ca32772a6dff82c365223ecf8e6072b6a7e04996230711cb3912f7f896cc70e5437e84720963aba56a8fe4a60005f1886fcf9af','','compatible','[]','[]','[]',0,0,86400,28800,NULL,0,1,1,30.0,120.0,576,120.0,2,'2026-11-26 11:26:27.730845','2026-11-26 11:26:27.730850');
CREATE TABLE sign_ins (
	id INTEGER NOT NULL, 
	cookie_hash BLOB NOT NULL, 
	administrator_id INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	seen_at DATETIME NOT NULL, 
	expires_at DATETIME NOT NULL, 
	address VARCHAR(128) NOT NULL, 
	user_agent VARCHAR(512) NOT NULL, 
	CONSTRAINT pk_sign_ins PRIMARY KEY (id), 
	CONSTRAINT fk_sign_ins_administrator_id_administrators FOREIGN KEY(administrator_id) REFERENCES administrators (id) ON DELETE CASCADE, 
	CONSTRAINT uq_sign_ins_cookie_hash UNIQUE (cookie_hash)
);
CREATE INDEX ix_audit_entries_at ON audit_entries (at);
CREATE INDEX ix_audit_entries_target ON audit_entries (deed, target);
CREATE INDEX ix_certificates_in_use ON certificates (purpose, retired_at);
CREATE INDEX ix_certificates_issuer_id ON certificates (issuer_id);
CREATE INDEX ix_refusals_at ON refusals (at);
CREATE INDEX ix_sessions_ended_at ON sessions (ended_at, started_at);
CREATE INDEX ix_sessions_peer ON sessions (node, peer_id);
CREATE INDEX ix_sessions_user ON sessions (user, ended_at);
CREATE INDEX ix_sessions_virtual_ip ON sessions (virtual_ip);
CREATE INDEX ix_commands_pending ON commands (node, outcome);
CREATE INDEX ix_commands_session_id ON commands (session_id);
CREATE INDEX ix_leases_free ON leases (pool_id, free_since, address);
CREATE INDEX ix_leases_user ON leases (user, pool_id);
CREATE INDEX ix_profiles_pool_id ON profiles (pool_id);
CREATE INDEX ix_sign_ins_administrator_id ON sign_ins (administrator_id);
COMMIT;
