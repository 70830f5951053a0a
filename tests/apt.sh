#!/bin/sh
# Installs the real peers and tools that the test suite runs against (Debian 12, as root).
# Everything comes from Debian's own archive; nothing is started or enabled.
set -eu

packages="
  strongswan-charon strongswan-swanctl charon-cmd
  libcharon-extra-plugins libcharon-extauth-plugins libstrongswan-extra-plugins libstrongswan-standard-plugins
  vpnc
  libpam-wrapper passwd
  postgresql
  chromium fonts-dejavu-core
  freeradius freeradius-utils
  nftables iproute2 iputils-ping conntrack curl openssl procps util-linux
  user-mode-linux kmod iptables
  systemd
"

missing=""
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

export DEBIAN_FRONTEND=noninteractive
# Packages may start services on installation; on a test machine none of them may.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -q
# shellcheck disable=SC2086  # a list of words
apt-get install -q -y --no-install-recommends $missing
