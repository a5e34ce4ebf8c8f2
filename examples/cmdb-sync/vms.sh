#!/bin/sh
# A product that is asked by a program: prints the machines in vms.txt, a JSON
# object a line. Real ones call an API or a client (`virsh`, `aws`, `kubectl`).
set -eu
cd "$(dirname "$0")"
awk -v now="$(date -u +%Y-%m-%dT%H:%M:%SZ)" '
!/^#/ && NF == 6 {
	printf "{\"id\":\"%s\",\"name\":\"%s\",\"cpus\":%d,\"memory_mb\":%d," \
		"\"state\":\"%s\",\"service\":\"%s\",\"last_seen\":\"%s\"}\n",
		$1, $2, $3, $4, $5, $6, now
}' vms.txt
