import { errorCatalogue } from '../../src/errors.ts'

/** docs/errors.md: the catalogue of src/errors.ts. */
export function renderErrorsPage(): string {
  const rows = Object.entries(errorCatalogue).map(
    ([code, { summary, responseCode, httpStatus, retryable }]) =>
      `| \`${code}\` | ${summary} | ${responseCode} | ${httpStatus} | ${retryable ? 'yes' : 'no'} |`,
  )
  return `# Errors

<!-- Made from src/errors.ts by scripts/generate-docs.ts; change that file and run the script. -->

A decline is not an error: it is an answer like an approval, with its own response code. An error stops a piece of
work. Whoever sent it gets, on a link, an answer with the response code (DE39) below; over HTTP, the status below and
an \`application/problem+json\` body whose \`code\` is the code below and whose \`type\` is \`urn:mizan:error:\` and that
code; on the command line, one line on stderr and a non-zero exit status.

*Again* tells whether the same request may succeed later without anything being changed.

| code | what happened | DE39 | HTTP | again |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`
}
