import 'uplot/dist/uPlot.min.css';
import './app.css';
import './pages.css';
import './app';
import { startPageClock } from './element';

startPageClock();
