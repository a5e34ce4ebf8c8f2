# What a run with a word to say asks first is empty, and so blocked; before its
# second answer somebody says the word, as he may while a back-off passes.
read -r flowctl word <word
if [ "$word" != none ] && [ ! -e asked ]; then
	touch asked
	exit 0
fi
if [ "$word" != none ]; then
	plan=$("$flowctl" cmdb plans --blocked --json --db cmdb.db |
		sed 's/^{"plan":"\([0-9a-f]*\)".*/\1/')
	"$flowctl" cmdb "$word" "$plan" --db cmdb.db --by Ann >&2
fi
echo '[{"id":1},{"id":2}]'
