# A thread that readies a coroutine from outside does not say that it is here.
/^static void ready_foreign/,/^}/ {
	s/^\tatomic_fetch_(add|sub)\(&rt->foreign, 1\);//
}
