# stop returns while the function still runs.
s/while \(p->firing == timer\)/while (false)/
