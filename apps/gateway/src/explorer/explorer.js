// The explorer's page: GraphiQL, bundled with everything that it needs, so that it works without a network.
import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';

const url = new URL('/graphql', location.href);
const socket = new URL(url);
socket.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
const fetcher = createGraphiQLFetcher({ url: url.href, subscriptionUrl: socket.href });
const query = new URL(location.href).searchParams.get('query');

createRoot(document.querySelector('#explorer')).render(
  createElement(GraphiQL, { fetcher, ...(query && { initialQuery: query }) }),
);
