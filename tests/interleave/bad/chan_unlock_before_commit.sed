# A peer may see an operation that is not parked yet, and passes it by.
/^static bool commit_one/,/^}/ {
	s/bool parked = flo__op_commit.*/bool parked;/
	s/^\tflo__spin_unlock\(&chan->lock\);/&\n\tparked = flo__op_commit(\&one->op);/
}
