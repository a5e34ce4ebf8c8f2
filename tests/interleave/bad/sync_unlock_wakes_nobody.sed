# The mutex is released although nobody is awake who would look again.
s/\(s & WOKEN\) &&$/true \&\&/
