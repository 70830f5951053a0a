"""Who a client is: realms made from their rows, accounts, second factors, certificates (around ``appliance.auth``)."""
