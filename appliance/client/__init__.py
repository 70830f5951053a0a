"""A Python client of a gateway's API: ``Client`` has a method for every operation that the API documents.

```python
with Client("https://vpn.example.net:8443", token=token, ca=Path("coati-ca.pem")) as coati:
    coati.define_user("alice", full_name="Alice Liddell", password="...")
    for session in coati.list_sessions(profile="phones", sort="-octets_in").items:
        print(session.user, session.virtual_ip)
```
"""

from appliance.client.remote import Client, GatewayAway, Refused

__all__ = ["Client", "GatewayAway", "Refused"]
