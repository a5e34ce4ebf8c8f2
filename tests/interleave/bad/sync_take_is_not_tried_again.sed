# A unit given between the first try and the queueing is not seen.
s/sw.w.state == FLO__WAITER_IDLE && take\(sem, n, front\)/n == 0/
