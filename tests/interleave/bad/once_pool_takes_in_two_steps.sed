# Two take the private object.
/^static void \*take_private/,/^}/ {
	s/^\treturn atomic_exchange_explicit\(&place->private, NULL,/\tvoid *object = atomic_load(\&place->private);\n\tatomic_store(\&place->private, NULL);\n\treturn object;/
	s/^\t\t\t\t\tmemory_order_acquire\);//
}
