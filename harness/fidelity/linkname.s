// Functions without a body, which go:linkname finds elsewhere, are allowed beside a file of assembly.
