import slack from '@slack/oauth'

export default {
  name: '@slack/oauth',
  call: '`installer.authorize({ teamId })`',
  setup: 'an `InstallProvider` with an installation store of its own (`fetchInstallation`, `storeInstallation`), as its README has it for production. With token rotation on, `authorize` refreshes what ends within two hours and stores it.',
  unfair: 'It reads the store at each call by design, so that no process has an old record, and leaves caching to the host. Slack\'s tokens live twelve hours; in the storm their short lives make each of its calls a refresh, which Slack does not see in practice.',

  record: (account, pair, expiresAt) => ({
    team: { id: account },
    enterprise: undefined,
    user: { id: 'U1', token: undefined, scopes: undefined },
    bot: { id: 'B1', userId: 'U2', scopes: ['chat:write'], token: pair.accessToken, refreshToken: pair.refreshToken, expiresAt },
    tokenType: 'bot',
    isEnterpriseInstall: false,
    appId: 'A1',
    authVersion: 'v2'
  }),

  async connect ({ origin, store }) {
    const installer = new slack.InstallProvider({
      clientId: 'client',
      clientSecret: 'secret',
      stateSecret: 'a state secret of the benchmark',
      logger: { debug () {}, info () {}, warn () {}, error () {}, setLevel () {}, getLevel: () => 'error', setName () {} },
      clientOptions: { slackApiUrl: `${origin}/api/`, retryConfig: { retries: 0 } },
      installationStore: {
        fetchInstallation: query => store.get(query.teamId),
        storeInstallation: installation => store.set(installation.team.id, installation),
        deleteInstallation: query => store.delete(query.teamId)
      }
    })
    return { token: async account => (await installer.authorize({ teamId: account, isEnterpriseInstall: false })).botToken }
  }
}
