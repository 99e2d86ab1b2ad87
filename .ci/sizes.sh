#!/usr/bin/env bash
# What an environment weighs on disk, by part: sizes.sh ENVIRONMENT [MOST_MB]; fails above MOST_MB.
set -euo pipefail
total=$(du -sk "$1" | cut -f1)
du -sk "$1"/lib/python3*/site-packages/* | awk -v total="$total" -v name="$1" '
	{ part = $2; sub(".*/", "", part); sub("[.]libs$", "", part)
	  if (part ~ /^(pip|setuptools|pkg_resources)/) part = "pip and setuptools"
	  size[part] += $1 }
	END {
		rest = total
		for (part in size) if (size[part] >= 4096) {
			printf "%7.1f MB  %s\n", size[part] / 1024, part | "sort -rn"
			rest -= size[part]
		}
		close("sort -rn")
		printf "%7.1f MB  the rest\n%7.1f MB  %s\n", rest / 1024, total / 1024, name
	}'
[ "$total" -le $((${2:-1000000} * 1024)) ] || { echo "more than $2 MB"; exit 1; }
