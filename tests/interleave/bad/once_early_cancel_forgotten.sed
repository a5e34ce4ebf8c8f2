# The watch finds a waiter that is not queued yet and does nothing.
/^static void watch_fired/,/^}/ {
	s/^\telse if \(w->state == FLO__WAITER_IDLE\)/\telse if (false)/
}
