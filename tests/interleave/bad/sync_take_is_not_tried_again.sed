# A unit given between the first try and the queueing is not seen.
s/w.state == FLO__WAITER_IDLE && take\(q\)/false/
