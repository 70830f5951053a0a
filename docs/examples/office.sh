#!/bin/sh
# Has an office so, by nothing but curl; run it as often as you like: what is so already is not changed, and said so.
#
#   COATI_URL=https://vpn.example.net:8443 CURLRC=curlrc ./office.sh
#
# CURLRC holds token and authority (docs/api.md, "A token"); the token needs the scope own. Passwords come by standard
# input or from files, never as arguments, which anyone on the machine can see.
set -eu
: "${COATI_URL:?https://NAME:8443}" "${CURLRC:?the file with token and authority}"
API=$COATI_URL/api/v1
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
changed=0

# put PATH: has the thing there as standard input says, and tells what became of it: new, changed or ok.
put() {
    became=$(curl -K "$CURLRC" -sS -o "$answer" -w '%{http_code} %header{coati-changed}' -X PUT --json @- "$API/$1")
    case $became in
    '201 true') what=new ;;
    '200 true') what=changed ;;
    '200 false') what=ok ;;
    *)
        echo "$1: refused (${became%% *})" >&2
        cat "$answer" >&2
        exit 1
        ;;
    esac
    [ "$what" = ok ] || changed=$((changed + 1))
    echo "$what $1"
}

put pools/office <<END
{"networks": ["10.77.0.0/24"], "dns": ["10.0.0.53"], "domain": "office.example.net"}
END
put groups/staff <<END
{"description": "Who works here", "policy": {"reachable": ["10.0.0.0/8"], "simultaneous_sessions": 2}}
END
put users/alice <<END
{"full_name": "Alice Liddell", "group": "staff", "password": "${ALICE_PASSWORD:-white rabbit with a watch}"}
END
put realms/corp <<END
{"kind": "radius", "settings": {"nas_identifier": "vpn"}}
END
put realms/corp/servers/main <<END
{"address": "192.0.2.9", "secret": "${RADIUS_SECRET:-between the two of them}"}
END
put profiles/phones <<END
{"authentication": ["xauth-psk"], "preset": "compatible", "pool": "office", "realms": ["corp", "local"],
 "pre_shared_key": "${PHONES_KEY:-a key for phones only}"}
END
put authorities/spare <<END
{"common_name": "Office spare CA", "for_clients": true}
END
put administrators/carol <<END
{"role": "auditor", "password": "${CAROL_PASSWORD:-through the looking glass}"}
END
put settings/session_days <<END
{"value": 90}
END
put settings/oidc_client_secret <<END
{"value": "${OIDC_SECRET:-known to the provider}"}
END

echo "$changed changed"
