// The explorer's page: GraphiQL, bundled with everything that it needs, so that it works without a network.
import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import { DOC_EXPLORER_PLUGIN } from '@graphiql/plugin-doc-explorer';
import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { Kind, parse } from 'graphql';
import { createElement, useEffect, useRef } from 'react';
import { createRoot } from 'react-dom/client';

const url = new URL('/graphql', location.href);
const socket = new URL(url);
socket.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
const fetcher = createGraphiQLFetcher({ url: url.href, subscriptionUrl: socket.href });
const query = new URL(location.href).searchParams.get('query');

/** What stands in an editor that nobody has written in. */
const FIRST_QUERY = `# Ctrl-Enter asks.
# Ctrl-Space completes.
{
  log {
    position
  }
  registeredModels {
    nodes {
      name
      aliases {
        alias
        version
      }
    }
  }
}
`;

/** Documentation beside an editor and an answer leaves no room for them in a narrower window. */
const MIN_WIDTH_WITH_DOCS_PX = 1000;

/** A link may ask, and may not change anything: a mutation waits for the button. */
const mayRun = (text) => {
  try {
    return parse(text).definitions.every(
      ({ kind, operation }) => kind !== Kind.OPERATION_DEFINITION || operation !== 'mutation',
    );
  } catch {
    return false; // shown in the editor, which marks what is wrong
  }
};

/** Asks the question of the link once, as soon as the editor holds it and the schema is there, or known to be hidden. */
const LinkedQuery = () => {
  const isReady = useGraphiQL(({ queryEditor, responseEditor, schema, fetchError }) =>
    Boolean(queryEditor && responseEditor && (schema || fetchError)),
  );
  const { run } = useGraphiQLActions();
  const hasRun = useRef(false);
  useEffect(() => {
    if (!isReady || hasRun.current) return;
    hasRun.current = true;
    run();
  }, [isReady, run]);
  return null;
};

const home = createElement(GraphiQL.Logo, null, createElement('a', { href: '/' }, 'Kontor'));
createRoot(document.querySelector('#explorer')).render(
  createElement(
    GraphiQL,
    {
      fetcher,
      defaultQuery: FIRST_QUERY,
      ...(document.documentElement.clientWidth >= MIN_WIDTH_WITH_DOCS_PX && { visiblePlugin: DOC_EXPLORER_PLUGIN }),
      ...(query && { initialQuery: query }),
    },
    home,
    ...(query && mayRun(query) ? [createElement(LinkedQuery, { key: 'linked' })] : []),
  ),
);
