#!/bin/sh
# The disks of a host, one JSON object a line: disks.sh [ROOT]
#
# lsblk is asked where it is there and the host is this one, else /sys/block is
# read. Loop and RAM devices come and go and are left out.
set -eu
cd "$(dirname "$0")"
root=${1:-/}
block=${root%/}/sys/block

if [ "$root" = / ] && command -v lsblk >/dev/null; then
	# NAME="sda" SIZE="1000" RO="0" RM="0"
	lsblk -d -b -P -o NAME,SIZE,RO,RM | awk -F '"' '{ print $2, $4, $6, $8 }'
elif [ -d "$block" ]; then
	[ "$root" != / ] || echo "disks: no lsblk here, reading $block" >&2
	for dir in "$block"/*/; do
		[ -r "$dir/size" ] || continue
		name=${dir%/}
		echo "${name##*/} $(($(cat "$dir/size") * 512))" \
			"$(cat "$dir/ro") $(cat "$dir/removable")"
	done
else
	echo "disks: no lsblk and no $block, so no disks" >&2
fi | awk "$(cat json.awk)"'
	$1 ~ /^(loop|ram|zram)[0-9]/ { next }
	{
		print "{\"id\": " string($1) number("bytes", $2) \
			", \"read_only\": " ($3 ? "true" : "false") \
			", \"removable\": " ($4 ? "true" : "false") "}"
	}
'
