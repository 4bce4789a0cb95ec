// usage: scan.js TEMPLATE OUT
// Reads the template as CDK would include it, and leaves cdk-nag's report in OUT/validation-report.json.
import { App, Stack, Validations } from 'aws-cdk-lib';
import { CfnInclude } from 'aws-cdk-lib/cloudformation-include';
import { AwsSolutionsChecks } from 'cdk-nag';

const [templateFile, outdir] = process.argv.slice(2);
const app = new App({ outdir });
new CfnInclude(new Stack(app, 'pagemill'), 'template', { templateFile });
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
app.synth();
