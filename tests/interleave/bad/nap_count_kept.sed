# Who takes the P is counted as spinning, and so is the napper.
/^static bool nap_once/,/^}/s/m->spinning = false;//
