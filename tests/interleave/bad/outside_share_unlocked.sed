# What is shared is in no queue for a while, and nobody is kept from looking.
/^void flo__relief_share/,/^}/ {
  s/^\tflo__tlock_take.*//
  s/^(\tif \(list.len > 0\) \{)/\tflo__tlock_take(\&rt->lock);\n\1/
}
