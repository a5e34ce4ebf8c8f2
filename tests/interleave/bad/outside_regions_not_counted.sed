# A coroutine in a region without a P looks like one that waits for ever.
/^bool flo__blocking_retake/,/^}/ s/^\t+count\(rt, -?1\);//
/^static bool regain/,/^}/ {
	s/^\t\tINSIST\(rt->nblocked > 0\);//
	s/^\t\trt->nblocked--;//
}
/^void flo__blocking_return/,/^}/ s/^\tcount\(m->rt, -1\);//
