# A timer that runs is not counted until what it readied is in a queue.
/^bool flo__timers_run/,/^}/ {
	s/^\t\tatomic_fetch_sub\(&p->rt->timers, 1\);//
	s/^\t\ttimer->fn\(timer\);/\t\tatomic_fetch_sub(\&p->rt->timers, 1);\n&/
}
