import type { ReportColumn, ReportSection, ReportTable } from './report-parts.ts'

/** What the page may load and run: nothing but its own style. */
const REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

/**
 * The report of a day as one page that stands by itself: no scripts, nothing from outside, made to be printed on A4 and
 * signed. Pure; every text is escaped.
 * @param title of the page, such as `Day report 2026-11-18`
 */
export function reportHtml(title: string, sections: readonly ReportSection[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(REPORT_POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>${escapeHtml(title)}</h1></header>
<main>
${sections.map(sectionHtml).join('\n')}
${SIGNATURES}
</main>
</body>
</html>
`
}

const ARABIC = /\p{Script=Arabic}[\p{Script=Arabic}\p{M}]*(?:[\s\u060c]+\p{Script=Arabic}[\p{Script=Arabic}\p{M}]*)*/gu
const LATIN = /\p{Script=Latin}/u

/**
 * The direction of an element by its text, and the text in it: Arabic goes from right to left, and what is Arabic in an
 * English sentence does not turn the amounts behind it around.
 */
function told(text: string): { readonly direction: string; readonly html: string } {
  const html = escapeHtml(text)
  if (html.search(ARABIC) < 0) return { direction: '', html }
  if (!LATIN.test(text)) return { direction: ' dir="rtl" lang="ar"', html }
  return { direction: '', html: html.replace(ARABIC, '<bdi dir="rtl" lang="ar">$&</bdi>') }
}

function element(name: string, text: string, attributes = ''): string {
  const { direction, html } = told(text)
  return `<${name}${attributes}${direction}>${html}</${name}>`
}

/**
 * A text as it may stand in an element or an attribute in double quotes; what steers and is not seen becomes a blank.
 */
export function escapeHtml(text: string): string {
  return text.replace(/\p{C}/gu, ' ').replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

function sectionHtml({ title, newPage, facts, tables, notes }: ReportSection): string {
  const parts = [
    element('h2', title),
    ...(facts.length === 0 ? [] : [factsHtml(facts)]),
    ...tables.map(tableHtml),
    ...notes.map((note) => element('p', note, ' class="note"')),
  ]
  return `<section${newPage ? ' class="page"' : ''}>\n${parts.join('\n')}\n</section>`
}

function factsHtml(facts: ReportSection['facts']): string {
  const rows = facts.map(([name, value]) => element('dt', name) + element('dd', value))
  return `<dl>${rows.join('')}</dl>`
}

function tableHtml({ title, columns, rows, sums }: ReportTable): string {
  const heads = columns.map((column) => element('th', column.head, ` scope="col"${classOf(column)}`))
  const line = (row: readonly string[]) =>
    `<tr>${row.map((text, index) => element('td', text, classOf(columns[index], text))).join('')}</tr>`
  // Sums are rows of the body: a foot would be printed at the end of every page.
  const below = sums.length === 0 ? '' : `\n<tbody class="sums">\n${sums.map(line).join('\n')}\n</tbody>`
  // A wide table scrolls by itself on a narrow screen, by the keyboard too.
  return `<div class="wide" role="region" tabindex="0" aria-label="${escapeHtml(title)}">
<table>
<caption>${element('span', title)}</caption>
<thead><tr>${heads.join('')}</tr></thead>
<tbody>
${rows.map(line).join('\n')}
</tbody>${below}
</table>
</div>`
}

const WHEN = /^\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d)?$/
/** A name that is longer than a narrow column, and has no blank. */
const LONG = /\S{21}/
const SENTENCE_LENGTH = 40

/** How a cell breaks: only what is long without a blank breaks within a word. */
function classOf(column: ReportColumn | undefined, text = ''): string {
  if (column?.right === true) return ' class="right"'
  if (column?.code === true) return ' class="code"'
  if (WHEN.test(text)) return ' class="when"'
  if (LONG.test(text)) return ' class="long"'
  return text.length > SENTENCE_LENGTH ? ' class="words"' : ''
}

const signature = (who: string) =>
  `<tr><th scope="row">${who}</th><td>name</td><td>signature</td><td>date and time</td></tr>`

const SIGNATURES = `<section class="signatures">
<h2>Signatures</h2>
<table>
<tbody>
${signature('Maker')}
${signature('Checker')}
</tbody>
</table>
</section>`

const STYLE = `
@page { size: A4; margin: 14mm 12mm; @bottom-right { content: counter(page) " / " counter(pages); font: 8pt sans-serif; } }
* { box-sizing: border-box; }
body { margin: 1.5rem auto; padding: 0 1rem; max-width: 70rem; font: 10pt/1.35 "Liberation Sans", Arial, "Noto Sans Arabic", "DejaVu Sans", sans-serif; color: #111; background: #fff; }
h1 { font-size: 16pt; margin: 0 0 .5rem; }
h2 { font-size: 12.5pt; margin: 1.4rem 0 .4rem; border-bottom: 1.5pt solid #111; break-after: avoid; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .4rem 0; }
dt { color: #555; }
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0 1rem; }
caption { text-align: start; font-weight: bold; padding: .2rem 0; break-after: avoid; }
caption span { display: inline-block; position: sticky; left: 0; max-width: calc(100vw - 2rem); }
thead { display: table-header-group; }
tr { break-inside: avoid; }
th, td { text-align: start; vertical-align: top; padding: .15rem .4rem; border-bottom: .5pt solid #bbb; overflow-wrap: break-word; }
thead th { border-bottom: 1pt solid #111; }
.wide { overflow-x: auto; }
.right { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
thead .right { white-space: normal; }
.code { font-family: "Liberation Mono", monospace; font-size: 80%; word-break: break-all; min-width: 16em; }
.when { white-space: nowrap; }
.words { min-width: 16em; }
.long { min-width: 18em; overflow-wrap: anywhere; }
.sums td { font-weight: bold; border-top: 1pt solid #111; border-bottom: none; }
.note { margin: .3rem 0; font-style: italic; }
.signatures { break-inside: avoid; margin-top: 2.5rem; }
.signatures td, .signatures th { border: none; border-bottom: .75pt solid #111; color: #595959; font-size: 8pt; padding-top: 2.6rem; vertical-align: bottom; }
.signatures th { color: #111; font-size: 10pt; }
@media screen and (max-width: 40rem) {
  body { margin: .5rem auto; padding: 0 .5rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin: 0 0 .3rem; }
}
@media print {
  body { margin: 0; padding: 0; max-width: none; font-size: 8pt; }
  .wide { overflow: visible; }
  .code, .words { min-width: 9em; }
  .page { break-before: page; }
}
`
