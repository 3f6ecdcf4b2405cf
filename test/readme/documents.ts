import { readdirSync, readFileSync } from 'node:fs'

/*
 * The README, and the guides beside the code: each as its text, by its path.
 */

/** The folders of `src` that have a guide. */
export const guided = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter(name => /^[^/\\]+[/\\]README\.md$/.test(name)).map(name => name.slice(0, -'/README.md'.length)).sort()

export const read = (path: string) => readFileSync(path, 'utf8')

export const guideTo = (folder: string) => read(`src/${folder}/README.md`)

/** A document without its code, in which nothing is a heading or a link. */
export function proseOf (text: string): string {
  return text.replace(/^( *)```[^]*?^\1```$/gm, '')
}

/** As GitHub makes it: lower case, without punctuation, hyphens for spaces. */
export function anchorOf (heading: string): string {
  const shown = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
  return shown.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')
}

export function anchorsOf (prose: string): string[] {
  return [...prose.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => anchorOf(heading))
}

/** The rows of the table whose header begins with `head`, each by its cells. */
export function rowsOf (text: string, head: string): string[][] {
  const begin = text.indexOf(`\n| ${head} |`)
  if (begin < 0) throw new Error(`no table of ${head}`)
  const [table = ''] = text.slice(begin + 1).split('\n\n')
  return table.trimEnd().split('\n').slice(2).map(row => row.slice(2, -2).split(' | '))
}

/** The names in code in the first cells of a table, with a question mark where they have one. */
export function namesOf (text: string, head: string): string[] {
  return rowsOf(text, head).flatMap(([cell = '']) => [...cell.matchAll(/`(\w+\??)/g)].map(([, name]) => String(name)))
}
