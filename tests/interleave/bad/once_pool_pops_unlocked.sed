# Two take the object on top of the stack.
/^static void \*pop/,/^}/ s/^\tflo__spin_(un)?lock\(&place->lock\);//
