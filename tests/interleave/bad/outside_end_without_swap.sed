# An M comes back to its P without looking whether that was retaken.
s/if \(swap\(m->block_p\)\)/if (true)/
