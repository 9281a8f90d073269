/** Milliseconds of the units of time. A civil day in Cairo may be an hour shorter or longer: see calendar.ts. */
export const SECOND_MS = 1_000
export const MINUTE_MS = 60 * SECOND_MS
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS
