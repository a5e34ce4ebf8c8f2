# Who looks after all were woken, and before it is done, waits for ever.
/^static void end/,/^}/ {
	s/^\t__atomic_store_n\(&once->state, DONE, .*//
	s/^\tflo__waitq_ready_all/\t__atomic_store_n(\&once->state, DONE, __ATOMIC_RELEASE);\n&/
}
