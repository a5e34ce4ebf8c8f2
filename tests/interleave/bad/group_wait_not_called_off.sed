# The last member has left before WAITS was set, and nobody readies.
s/return pending_of\(before\) > 0;/return true;/
