# A G on its way from runnext to the ring is in neither at the two looks.
s/if \(tail ==$/if (true || tail ==/
