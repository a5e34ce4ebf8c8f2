# Two find that nobody has come yet.
/^static bool is_first/,/^}/ s/^\tflo__spin_(un)?lock\(&once->q.lock\);//
