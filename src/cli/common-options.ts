import { Type } from '@sinclair/typebox'

/** @internal The options of every command that loads an app. */
export const commonOptions = {
  /** The registration of several in one app: the prefix of its scope. */
  scope: Type.Optional(Type.String({ pattern: '^/', must: 'the prefix of a scope, such as /eu' })),
  json: Type.Optional(Type.Boolean({ must: 'given without a value' }))
}

/** @internal Their part of a command's usage. */
export const commonUsage = {
  app: '  <app>              a module that exports a Fastify plugin, as fastify-cli expects it; it need not listen',
  scope: '  --scope prefix     the scope, such as /eu, if the app registers fastify-clover more than once',
  json: '  --json             prints JSON lines, as it does where stdout or stderr is no terminal'
}
