# The mutex is free before the waiter is queued: a signal falls in between.
/^flo_status flo_cond_wait/,/^}/ {
	s/^\tflo_mutex_unlock\(mutex\);//
	s/^\tflo__spin_lock\(&cond->q.lock\);/\tflo_mutex_unlock(mutex);\n&/
}
