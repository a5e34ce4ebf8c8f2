#!/bin/sh
# What is mounted where, one JSON object a line: mounts.sh [ROOT]
#
# The kernel's own file systems and those in memory come and go with what
# happens to run, and are left out.
set -eu
cd "$(dirname "$0")"
root=${1:-/}

awk "$(cat json.awk)"'
	# /proc/mounts writes blanks and backslashes as octal numbers.
	function plain(text) {
		gsub(/\\040/, " ", text)
		gsub(/\\011/, "\t", text)
		gsub(/\\012/, "\n", text)
		gsub(/\\134/, "\\", text)
		return text
	}
	BEGIN {
		n = split("autofs bpf binfmt_misc cgroup cgroup2 configfs " \
			"debugfs devpts devtmpfs efivarfs fusectl hugetlbfs " \
			"mqueue nsfs proc pstore ramfs rpc_pipefs securityfs " \
			"sysfs tmpfs tracefs", list, " ")
		for (i = 1; i <= n; i++)
			volatile[list[i]] = 1
	}
	$3 in volatile { next }
	# Of two mounts at one place the later one is seen.
	!($2 in line) { order[++places] = $2 }
	{
		line[$2] = "{\"id\": " string(plain($2)) \
			field("device", plain($1)) field("type", $3) \
			field("options", plain($4)) "}"
	}
	END {
		for (i = 1; i <= places; i++)
			print line[order[i]]
	}
' "${root%/}/proc/mounts"
