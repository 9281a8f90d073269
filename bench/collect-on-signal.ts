/**
 * Collects all garbage of this process when it gets SIGUSR2, with `node --expose-gc --import` this file: what its
 * metrics then say of the heap is what is in use, not what has not been collected yet.
 */
process.on('SIGUSR2', () => globalThis.gc?.())
