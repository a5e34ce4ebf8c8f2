# Between the look and the queueing nobody keeps the writer from leaving.
/^static flo_status read_slow/,/^}/ {
	s/^\tflo__spin_lock\(&rw->readers.lock\);//
	s/^\t\tflo__waiter_park/\t\tflo__spin_lock(\&rw->readers.lock);\n&/
}
