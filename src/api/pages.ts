/** What a page that a route answers may do: it has the style it brings; nothing in it runs, loads or sends. */
export const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"

/** Whether a page is asked for: browsers name `text/html` first; programs name JSON, anything, or nothing. */
export function wantsPage(accept = ''): boolean {
  const [first = ''] = accept.split(/[,;]/)
  return first.trim().toLowerCase() === 'text/html'
}
