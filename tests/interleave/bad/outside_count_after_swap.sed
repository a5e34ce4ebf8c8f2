# nblocked rises after the P can be taken.
/^bool flo__blocking_retake/,/^}/ {
	s/^\tcount\(rt, 1\);$//
	s/^\t\tcount\(rt, -1\);$//
	s/^\tflo__sched_handoff\(rt, p\);/\tcount(rt, 1);\n&/
}
