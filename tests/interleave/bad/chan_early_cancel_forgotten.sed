# A context that ends between begin and park tells nobody.
/^static void interrupt/,/^}/ s/uint32_t s = FLO__OP_PREPARING;/uint32_t s = FLO__OP_PREPARING;\n\tif (atomic_load(\&op->state) == s)\n\t\treturn;/
