#!/usr/bin/env bash
# snac2 (an ActivityPub server, MIT) from Debian's backports, unpacked into .snac beside this file. Changes no source of
# apt and installs nothing; the mirror is the one that apt already uses. Does nothing when it is there.
set -euo pipefail
cd "$(dirname "$0")"

folder=$PWD/.snac
program=$folder/root/usr/bin/snac
if [ -x "$program" ]; then
  exit 0
fi

# Both formats of apt's sources, as one address a line.
mirrors() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    grep -E '^(URIs:|deb )' | grep -oE 'https?://[^ ]+' || true
}

# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(mirrors | awk '/\/debian\/?$/ && !found { found = 1; print }')
[ -n "$mirror" ] || { echo "get_snac: apt knows no Debian mirror" >&2; exit 1; }

mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release-backports main" >"$folder/sources.list"
options=(
  -o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache" -o APT::Sandbox::User=root
)
apt-get "${options[@]}" update -qq
(cd "$folder" && apt-get "${options[@]}" download -qq snac2 && dpkg -x snac2_*.deb root)
[ -x "$program" ] || { echo "get_snac: the package has no $program" >&2; exit 1; }
