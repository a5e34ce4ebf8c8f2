# Between the look at the cases and the wait a peer may come and go.
/^static flo_status wait_any/,/^}/ {
	s/^\tst = do_now\(s.*/\tst = FLO_AGAIN;/
}
