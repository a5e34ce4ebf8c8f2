#!/bin/sh
# Like `curl -o /dev/stdout`, once for each page.
echo '{"n":1}'
for i in 2 3; do
	echo "{\"n\":$i}" >/dev/stdout
done
echo '{"n":4}' >>/dev/stdout
echo '{"n":5}'
