/** What a person sees when the repository is up: everything needed to use it, ready to paste. */
export function welcome(baseUrl: string, token: string | undefined): string {
  return `${[
    `Aether is up at ${baseUrl}`,
    ...(token === undefined ? [] : ['', adminToken(token)]),
    '',
    deploySnippet(baseUrl),
    '',
    resolveSnippet(baseUrl),
    '',
    gradleSnippet(baseUrl),
    '',
    `Or:  npx aether deploy my-app.jar     curl -T my-app.jar ${baseUrl}/repository/releases/…`,
  ].join('\n')}\n`
}

function adminToken(token: string): string {
  return `The administrator's token, shown this once and kept only as a digest:\n    ${token}`
}

function deploySnippet(baseUrl: string): string {
  return `pom.xml, for mvn deploy:
    <distributionManagement>
      <repository>
        <id>aether</id>
        <url>${baseUrl}/repository/releases</url>
      </repository>
      <snapshotRepository>
        <id>aether</id>
        <url>${baseUrl}/repository/snapshots</url>
      </snapshotRepository>
    </distributionManagement>`
}

function resolveSnippet(baseUrl: string): string {
  return `settings.xml, for builds that resolve from here:
    <profiles>
      <profile>
        <id>aether</id>
        <repositories>
          <repository>
            <id>aether</id>
            <url>${baseUrl}/repository/public</url>
            <releases><enabled>true</enabled></releases>
            <snapshots><enabled>true</enabled></snapshots>
          </repository>
        </repositories>
      </profile>
    </profiles>
    <activeProfiles><activeProfile>aether</activeProfile></activeProfiles>`
}

function gradleSnippet(baseUrl: string): string {
  const insecure = baseUrl.startsWith('https:') ? '' : '; allowInsecureProtocol = true'
  return `build.gradle:
    repositories { maven { url = '${baseUrl}/repository/public'${insecure} } }
    publishing { repositories { maven { url = '${baseUrl}/repository/releases'${insecure} } } }`
}
