// Tells the server in which time zone the reader is: it writes all times, and reads what is typed, in that (webui/zone.py).
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
document.cookie = `__Host-coati-zone=${zone}; Path=/; Secure; SameSite=Strict; Max-Age=31536000`;
