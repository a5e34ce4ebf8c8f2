#!/bin/sh
printf '{"n":1}\n{"n":2}\n'
[ ! -e code ] || exit "$(cat code)"
