/** Batches of a lane that may be on their way to the database: one, and one that is full and cannot grow any more. */
export const FLIGHTS_MAX = 2
