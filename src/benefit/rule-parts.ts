/** Takes what is wrong, at the path of a field. */
export type Fault = (path: string, message: string) => void

/** Each row has a value of its own in a field. */
export function unique<K extends string>(
  rows: readonly Readonly<Record<K, string | number>>[],
  field: K,
  path: string,
  fault: Fault,
): void {
  const seen = new Map<string | number, number>()
  for (const [index, row] of rows.entries()) {
    const before = seen.get(row[field])
    if (before !== undefined) fault(`${path}.${index}.${field}`, `${row[field]} is that of ${path}.${before} already`)
    else seen.set(row[field], index)
  }
}

/** Steps stand in the order of their dates, each with a date of its own. */
export function rising(steps: readonly { readonly from: string }[], path: string, fault: Fault): void {
  for (const [index, { from }] of steps.entries()) {
    const before = steps[index - 1]
    if (before !== undefined && from <= before.from) {
      fault(`${path}.${index}.from`, `must be after ${before.from} of the step before`)
    }
  }
}
