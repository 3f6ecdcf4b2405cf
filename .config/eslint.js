import neostandard from 'neostandard'

/** The rooms of src, from the ground up: a file may import from its own room and from those below. Files of src itself that are not named are the roof, as the command line is. */
const rooms = [
  ['errors', 'environments', 'escape-html', 'installation', 'runtime', 'shutdown', 'version'],
  ['checks'],
  ['concurrency', 'events'],
  ['clover', 'storage'],
  ['tokens'],
  ['api', 'jobs'],
  ['options'],
  ['operations'],
  ['routes'],
  ['testing']
]
/** What rooms on one level may not import: each other. The package for tests knows storage and what is below it. */
const apart = { testing: ['clover', 'tokens', 'api', 'jobs', 'options', 'operations', 'routes'] }
const roof = ['index', 'plugin', 'assemble', 'decorator', 'cli']

const isFile = name => rooms[0].includes(name)
const directions = rooms.flatMap((level, i) => level.map(room => {
  const above = [...rooms.slice(i + 1).flat(), ...level.filter(other => other !== room && !isFile(room)), ...roof, ...apart[room] ?? []]
  const way = isFile(room) ? '\\./' : '(?:\\.\\./)+'
  return {
    files: [isFile(room) ? `src/${room}.ts` : `src/${room}/**/*.ts`],
    rules: {
      'no-restricted-imports': ['error', {
        patterns: [{ regex: `^${way}(?:${above.join('|')})(?:/|\\.js$)`, message: `src/${room} must not import from the rooms above it: see src/README.md.` }]
      }]
    }
  }
}))

/** Nothing imports the command line, and it knows nothing of the package for tests but the form of the probe's report. */
const commandLine = [['src/*.ts', '^\\./cli/'], ['src/cli/**/*.ts', '^(?:\\.\\./)+testing/(?!simulator/probe-report\\.js$)']].map(([files, regex]) => ({
  files: [files],
  ignores: rooms[0].map(name => `src/${name}.ts`), // these have their direction above
  rules: {
    'no-restricted-imports': ['error', { patterns: [{ regex, message: 'The command line and the package for tests are apart: see src/README.md.' }] }]
  }
}))

export default [
  ...neostandard({ ts: true, ignores: ['dist/**', 'dist-docs/**', '.tap/**', 'example/data/**', 'node_modules/**', 'test/benchmark/node_modules/**'] }),
  {
    files: ['**/*.ts'],
    rules: {
      '@typescript-eslint/no-redeclare': 'off', // a TypeBox schema and its type share a name; TypeScript itself refuses real redeclarations
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/ban-ts-comment': 'error'
    }
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      '@stylistic/max-len': ['error', { code: 160, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true, ignoreUrls: true }]
    }
  },
  ...directions,
  ...commandLine
]
