/** A bigint or numeric column that may be null, which the driver brings as text. */
export function optionalNumber(text: string | null | undefined): number | undefined {
  return text === null || text === undefined ? undefined : Number(text)
}
